"""picluster is killed at a bad moment; the same command, run again, goes on to a whole cluster."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from picluster.paths import cluster_state
from tests.lab.bench import PATIENCE, Bench, Pi, kill, until
from tests.lab.kube import nodes_seen_by
from tests.lab.labs import rehearse


@pytest.fixture(scope="module")
def victims(home: Path, artifacts: Path) -> Iterator[Bench]:
    """Two servers-to-be and one more: bare, and fresh for each test."""
    yield from rehearse("victim", 3, 3, home, artifacts)


@pytest.fixture
def fresh(victims: Bench) -> Bench:
    """Bare nodes."""
    if any(node.holds("test -e /etc/picluster-used") for node in victims.nodes):
        victims.reflash(*victims.nodes)
    for node in victims.nodes:
        node.sh("touch /etc/picluster-used")
    return victims


@pytest.fixture
def prepared(victims: Bench) -> Bench:
    """Nodes that are ready for K3s and have none: apt and the reboot are over."""
    for node in victims.nodes:
        node.sh(
            "[ ! -e /usr/local/bin/k3s-uninstall.sh ] || k3s-uninstall.sh >/dev/null 2>&1\n"
            "rm -rf /etc/rancher /var/lib/rancher/* /var/lib/picluster /run/picluster"
        )
    for name in ("token", "kubeconfig"):
        (cluster_state(victims.lab.name) / name).unlink(missing_ok=True)
    victims.picluster("phase", "prepare")
    return victims


def settle(node: Pi) -> None:
    """Wait until no reboot is under way, nor one ordered that is about to begin."""
    idle = "[ -z \"$(systemctl list-units --plain --no-legend 'run-*.timer' 'run-*.service')\" ]"
    up = "systemctl is-system-running | grep -qE 'running|degraded'"
    until(lambda: node.holds(f"{idle} && {up}"))


def in_the_middle_of_apt(bench: Bench) -> bool:
    return bench.node(1).holds("pgrep -x dpkg >/dev/null || pgrep -x apt-get >/dev/null")


def while_a_node_reboots(bench: Bench) -> bool:
    """It is going down, off, or not up again."""
    ordered = bench.node(1).holds("grep -q cgroup_enable=memory /boot/firmware/cmdline.txt")
    up = bench.node(1).holds("systemctl is-system-running | grep -qE 'running|degraded'")
    return not up or (ordered and bench.node(1).holds("grep -q cgroup_enable /proc/cmdline"))


def when_the_token_is_made(bench: Bench) -> bool:
    return (cluster_state(bench.lab.name) / "token").exists()


def while_the_second_server_joins(bench: Bench) -> bool:
    return bench.node(2).holds("test -d /var/lib/rancher/k3s/server")


BEFORE_K3S = [in_the_middle_of_apt, while_a_node_reboots]
IN_K3S = [when_the_token_is_made, while_the_second_server_joins]
Moment = Callable[[Bench], bool]


def kill_at(bench: Bench, moment: Moment) -> None:
    with bench.begin("up") as under_way:
        until(lambda: moment(bench), under_way)
        kill(under_way)
    for node in bench.nodes:
        settle(node)


def expect_a_cluster_after(bench: Bench) -> None:
    """The same command makes it whole, and leaves nothing to do."""
    bench.picluster("up")
    seen = nodes_seen_by(bench.node(1))
    assert {name: (node["ready"], node["voter"]) for name, node in seen.items()} == {
        node.name: ("True", "True") for node in bench.nodes
    }
    bench.picluster("plan", "--exit-code")


@pytest.mark.parametrize("moment", BEFORE_K3S, ids=lambda moment: moment.__name__)
def test_a_run_killed_on_bare_nodes_is_finished_by_the_next(fresh: Bench, moment: Moment) -> None:
    kill_at(fresh, moment)
    expect_a_cluster_after(fresh)


@pytest.mark.parametrize("moment", IN_K3S, ids=lambda moment: moment.__name__)
def test_a_run_killed_while_the_cluster_is_made_is_finished_by_the_next(
    prepared: Bench, moment: Moment
) -> None:
    kill_at(prepared, moment)
    expect_a_cluster_after(prepared)


def interrupt_at(bench: Bench, moment: Moment) -> None:
    """Press Ctrl-C then; picluster has to stop in good order and say how to go on."""
    with bench.begin("up") as under_way:
        until(lambda: moment(bench), under_way)
        under_way.send_signal(signal.SIGINT)
        out, err = under_way.communicate(timeout=PATIENCE)
    where = f"{moment.__name__}:\n{out}{err}"
    assert under_way.returncode == 130, where
    assert "stopping after the running steps" in err, where
    assert "next: picluster up" in out, where
    assert "Traceback" not in err, where
    for node in bench.nodes:
        settle(node)
        assert not node.holds("dpkg --audit | grep -q ."), f"apt was torn, {where}"


def test_ctrl_c_on_bare_nodes_stops_in_good_order(fresh: Bench) -> None:
    for moment in BEFORE_K3S:
        interrupt_at(fresh, moment)
    expect_a_cluster_after(fresh)


@pytest.mark.parametrize("moment", IN_K3S, ids=lambda moment: moment.__name__)
def test_ctrl_c_while_the_cluster_is_made_stops_in_good_order(
    prepared: Bench, moment: Moment
) -> None:
    interrupt_at(prepared, moment)
    expect_a_cluster_after(prepared)
