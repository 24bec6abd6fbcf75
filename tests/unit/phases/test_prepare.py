"""The prepare and preflight phases: which steps a cluster file leads to, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.steps.looking import answered, errors_of, judged, printed

from picluster.engine.observe import observe
from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.step import Change, Risk
from picluster.facts.boot import BOOT
from picluster.model import Cluster, parse
from picluster.phases.preflight import preflight
from picluster.phases.prepare import prepare
from picluster.steps.files import ManagedFile
from picluster.steps.host.hosts import HostsFile
from picluster.steps.host.kernel import ModulesLoaded, SysctlsInForce
from picluster.steps.host.limits import INOTIFY, LimitsRaised
from picluster.steps.host.packages import Packages
from picluster.steps.host.services import TimeSync

Kind = TypeVar("Kind")

NODES = """\
name: small
domain: lan
nodes:
  - {name: pi1, address: 10.0.0.11, role: server}
  - {name: pi2, address: 10.0.0.12, role: agent, prepare: {swap: keep, set_hostname: false}}
  - {name: pi3, address: pi3.local, role: agent}
"""


def cluster(more: str = "") -> Cluster:
    return parse(NODES + more).cluster


def step_of(kind: type[Kind], node: str = "pi1", more: str = "") -> list[Kind]:
    return [step for step in prepare(cluster(more)).steps_for(node) if isinstance(step, kind)]


def names(node: str, more: str = "") -> list[str]:
    return [step.name for step in prepare(cluster(more)).steps_for(node)]


def test_steps_come_in_an_order_that_works() -> None:
    order = names("pi1", "prepare: {timezone: Etc/UTC, locale: en_GB.UTF-8}\n")
    assert order == [
        "apt-proxy",
        "packages",
        "cloud-init",
        "hosts-template",
        "hosts-file",
        "hostname",
        "timezone",
        "locale",
        "swap",
        "modules-file",
        "kernel-modules",
        "sysctl-file",
        "sysctls-in-force",
        "inotify-limits",
        "iscsid",
        "multipath",
        "time-sync",
        "memory-cgroup",
    ]


def test_a_nodes_own_wishes_are_heard() -> None:
    assert {"swap", "hostname"}.isdisjoint(names("pi2"))
    assert "time-sync" not in names("pi1", "prepare: {time_sync: false}\n")
    assert [step.own for step in step_of(HostsFile, "pi2")] == ["", ""]


@pytest.mark.parametrize(
    ("settings", "there", "absent"),
    [
        ("{}", "systemd-timesyncd", "chrony"),
        ("{packages: [chrony]}", "chrony", "systemd-timesyncd"),
        ("{time_sync: false}", "open-iscsi", "systemd-timesyncd"),
        ("{locale: en_GB.UTF-8}", "locales", "tzdata"),
        ("{locale: C.UTF-8, timezone: Etc/UTC}", "tzdata", "locales"),
    ],
)
def test_packages_follow_from_the_settings(settings: str, there: str, absent: str) -> None:
    (step,) = step_of(Packages, more=f"prepare: {settings}\n")
    assert there in step.packages
    assert absent not in step.packages


def test_the_time_daemon_that_is_asked_for_is_the_one_started() -> None:
    (step,) = step_of(TimeSync, more="prepare: {packages: [chrony]}\n")
    assert step.daemon == "chrony"


def test_hosts_are_named_by_addresses_that_are_known() -> None:
    for step in step_of(HostsFile):
        assert step.entries == [("10.0.0.11", "pi1.lan pi1"), ("10.0.0.12", "pi2.lan pi2")]


def test_modules_and_sysctls_are_those_of_k3s_and_the_users() -> None:
    more = "prepare: {extra_modules: [dm_crypt], sysctls: {vm.swappiness: 10}}\n"
    files = {step.path: str(step.content) for step in step_of(ManagedFile, more=more)}
    assert "\ndm_crypt\niscsi_tcp\n" in files["/etc/modules-load.d/k3s.conf"]
    assert "vm.swappiness = 10\n" in files["/etc/sysctl.d/99-k3s.conf"]
    assert "dm_crypt" in step_of(ModulesLoaded, more=more)[0].required
    assert step_of(SysctlsInForce, more=more)[0].values["vm.swappiness"] == "10"


@pytest.mark.parametrize(
    ("backend", "module"),
    [("vxlan", "vxlan"), ("wireguard-native", "wireguard"), ("host-gw", ""), ("none", "")],
)
def test_a_tunnel_needs_the_module_of_its_own_backend_alone(backend: str, module: str) -> None:
    (step,) = step_of(ModulesLoaded, more=f"k3s: {{flannel_backend: {backend}}}\n")
    assert {"vxlan", "wireguard"} & set(step.required) == {module} - {""}


def test_bare_nodes_reboot_together_and_those_of_a_cluster_one_by_one() -> None:
    stage = prepare(cluster()).stages[-1]
    bare = {"pi1": printed(BOOT, "memory=no")}
    running = {**bare, "pi2": printed(BOOT, "memory=no", "cluster=yes")}
    assert stage.width(bare) is None
    assert stage.width(running) == 1


def test_the_guard_is_asked_for_servers_only() -> None:
    asked: list[str] = []
    stage = prepare(cluster(), guard=asked.append).stages[-1]
    assert stage.guard is not None
    for node in ("pi1", "pi2"):
        stage.guard(node)
    assert asked == ["pi1"]


def test_every_probe_looks_at_a_real_system_without_an_error(tmp_path: Path) -> None:
    sessions = Sessions(ShellNodes(tmp_path))
    for phase in (prepare(cluster()), preflight(cluster())):
        steps = phase.steps_for("pi1")
        seen = observe(sessions, Tools(), "pi1", steps, 60)
        assert len(judged(steps, seen)) == len(steps)
        assert "syntax error" not in errors_of(steps, sessions)


def test_preflight_never_changes_anything() -> None:
    steps = preflight(cluster()).steps_for("pi1")
    for out in ("", "memory=no", "kib=1", "=\n==\nunit=\nroute=\nfree=x"):
        decisions = judged(steps, answered(steps, *out.split("\n")))
        assert decisions
        assert not [each for each in decisions.values() if isinstance(each, Change)]


def test_only_the_memory_cgroup_disturbs_a_node() -> None:
    steps = prepare(cluster()).steps_for("pi1")
    decisions = judged(steps, answered(steps, "memory=no", "file=/boot/cmdline.txt", "age=1"))
    risky = {
        name
        for name, each in decisions.items()
        if isinstance(each, Change) and each.risk is not Risk.NONE
    }
    assert risky == {BOOT.name}


def test_a_limit_that_the_user_sets_is_the_users() -> None:
    assert set(step_of(LimitsRaised)[0].floors) == set(INOTIFY)
    more = "prepare: {sysctls: {fs.inotify.max_user_instances: 256}}\n"
    (step,) = step_of(LimitsRaised, more=more)
    assert set(step.floors) == {"fs.inotify.max_user_watches"}
    assert step_of(SysctlsInForce, more=more)[0].values["fs.inotify.max_user_instances"] == "256"
