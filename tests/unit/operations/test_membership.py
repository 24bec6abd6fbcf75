"""Operations on one node, and a restore: what is looked at before anything is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any, cast

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.sites import reached_by, site_on

from picluster.commands import Build
from picluster.engine.phase import Phase
from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.run import RunState
from picluster.engine.runner import plan_phase, run_phase
from picluster.engine.step import Blocked
from picluster.engine.survey import CLUSTER
from picluster.errors import PreflightRefused, Unreachable
from picluster.kube.errors import ApiUnavailable
from picluster.model import parse
from picluster.operations.membership import remove, replace
from picluster.operations.reset import reset
from picluster.operations.restart import restart
from picluster.operations.snapshot import restore
from picluster.operations.upgrade import upgrade
from picluster.site import Consents, Site
from picluster.steps.host.packages import Packages
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.artifacts import Artifacts
from picluster.steps.k3s.install import Staged
from picluster.steps.k3s.removal import Departed, Evacuated
from picluster.steps.k3s.restoring import Restorable, ServerStopped
from picluster.steps.registry.removal import RegistryLeaves
from picluster.steps.storage.only_copies import VolumeConsents
from picluster.steps.storage.stored_data import STORED, StoredBeforeUpgrade, StoredData

FILE = """\
name: band
nodes:
  - {name: pi1, address: 192.0.2.1, role: server}
  - {name: pi2, address: 192.0.2.2, role: server}
  - {name: pi3, address: 192.0.2.3, role: server}
  - {name: pi4, address: 192.0.2.4, role: agent}
"""
CLAIM = "default/data-db-0"
LOSE = Consents(volumes=VolumeConsents(lose=frozenset({CLAIM})))
KEEP = Consents(volumes=VolumeConsents(keep=frozenset({CLAIM})))
POD = "/api/v1/namespaces/default/pods/db-0"


class ServersApi(ApiInMemory):
    """The API of three servers, of which those in `silent` do not answer; and an agent."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: set[str] = set()
        for name in ("pi1", "pi2", "pi3"):
            roles = {
                f"node-role.kubernetes.io/{role}": "true" for role in ("etcd", "control-plane")
            }
            self.join(name, **roles)
        self.join("pi4")

    def join(self, name: str, **labels: str) -> None:
        self.create("/api/v1/nodes", "v1", "Node", name, metadata={"labels": labels})
        self.tell(name, Ready="True", **({"EtcdIsVoter": "True"} if labels else {}))

    def lose(self, name: str) -> None:
        """Have a node that nobody has heard of lately."""
        self.tell(name, Ready="Unknown")

    def tell(self, name: str, **conditions: str) -> None:
        told = [{"type": kind, "status": status} for kind, status in conditions.items()]
        self.edit(f"/api/v1/nodes/{name}/status", {"status": {"conditions": told}})

    def at(self, node: str) -> Any:
        return _Silent() if node in self.silent else self

    def call(self, method: str, path: str, **options: Any) -> Any:
        if self.away:
            raise ApiUnavailable([])
        return "ok" if path == "/readyz" else super().call(method, path, **options)

    def close(self) -> None:
        """There is nothing to close."""


class _Silent:
    """One server whose API does not answer."""

    def call(self, *_: Any, **__: Any) -> Any:
        raise ApiUnavailable([])


@pytest.fixture
def api() -> ServersApi:
    """A cluster whose agent has the only copy of the database's volume."""
    made = ServersApi()
    made.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        "storage.k8s.io/v1",
        "StorageClass",
        "local-path",
        volumeBindingMode="WaitForFirstConsumer",
    )
    labels = {"app": "db"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "db"}]}},
        "volumeClaimTemplates": [
            {"metadata": {"name": "data"}, "spec": {"storageClassName": "local-path"}}
        ],
    }
    for name in ("pi1", "pi2", "pi3"):
        made.edit(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})
    path = "/apis/apps/v1/namespaces/default/statefulsets"
    made.create(path, "apps/v1", "StatefulSet", "db", spec=spec)
    assert made.get(POD)["spec"]["nodeName"] == "pi4"
    for name in ("pi1", "pi2", "pi3"):
        made.edit(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": None}})
    made.sent.clear()
    return made


@pytest.fixture
def nodes(tmp_path: Path) -> ShellNodes:
    return ShellNodes(tmp_path / "nodes")


@pytest.fixture
def sessions(nodes: ShellNodes) -> Iterator[Sessions]:
    made = Sessions(nodes)
    yield made
    made.close_all()


@pytest.fixture
def site(api: ServersApi, nodes: ShellNodes, sessions: Sessions, tmp_path: Path) -> Site:
    made = site_on(nodes, parse(FILE).cluster, tmp_path)
    reached = ClusterApi((), sessions, tmp_path / "none", cast("Any", api))
    return reached_by(made, reached, sessions)


def carry_out(build: Build, site: Site, *absent: str) -> RunState:
    """Run the phases on pi4 and on the cluster, as the command does."""
    run = RunState(
        site.sessions,
        lambda event: None,
        tools=site.tools,
        only={"pi4", CLUSTER},
        absent=frozenset(absent),
    )
    for phase in build(site, frozenset(absent)):
        if not run_phase(phase, run):
            break
    return run


def refused(build: Build, site: Site, *absent: str) -> str:
    with pytest.raises(PreflightRefused) as caught:
        carry_out(build, site, *absent)
    return f"{caught.value.what} {caught.value.why} {caught.value.fix}"


def with_consents(site: Site, consents: Consents) -> Site:
    return replaced(site, consents=consents)


# ------------------------------------------------------------------ replace


def test_a_machine_that_is_not_fit_replaces_nobody(
    api: ServersApi, nodes: ShellNodes, site: Site
) -> None:
    """This computer stands for the new machine, and has not the address of the file."""
    said = refused(replace("pi4"), with_consents(site, LOSE))
    assert "192.0.2.4" in said
    assert api.writes == [], "the cluster lost a member to a machine that cannot replace it"
    assert nodes.scripts["pi4"] == 2, "more was done on the new machine than looking"


def test_no_machine_replaces_one_whose_volumes_nobody_gave_up(
    api: ServersApi, nodes: ShellNodes, site: Site
) -> None:
    said = refused(replace("pi4"), site)
    assert f"the former pi4 had the only copy of {CLAIM}" in said
    assert f"--lose-volume {CLAIM}" in said
    assert api.writes == []
    assert nodes.scripts["pi4"] == 1


@pytest.mark.parametrize("operation", [replace("pi3"), remove("pi3", data=False)])
def test_a_plan_says_that_the_majority_would_be_lost(
    api: ServersApi, site: Site, operation: Build
) -> None:
    api.silent.add("pi2")
    run = RunState(site.sessions, lambda event: None, tools=site.tools)
    plan = plan_phase(next(iter(operation(site, frozenset()))), run)
    said = [item.decision.reason for item in plan.blocked if isinstance(item.decision, Blocked)]
    assert any("pi2 has an API that does not answer" in reason for reason in said), said


def places(phases: list[Phase], kind: type) -> list[tuple[int, int]]:
    """Return the phases and stages that have a step of that kind, by position."""
    return [
        (number, position)
        for number, phase in enumerate(phases)
        for position, stage in enumerate(phase.stages)
        if any(isinstance(step, kind) for steps in stage.steps.values() for step in steps)
    ]


def test_the_former_node_goes_after_the_release_lies_on_the_new_one(site: Site) -> None:
    phases = list(replace("pi4")(site, frozenset()))
    (gone,) = places(phases, Departed)
    assert places(phases, Packages)[0] < gone
    assert places(phases, Staged)[0] < gone
    assert [stage.title for stage in phases[gone[0]].stages][gone[1] + 1 :], "nothing joins it"


class _LostOnTheWay(Artifacts):
    """A release that never arrives, because the connection to the node is lost meanwhile."""

    def __init__(self) -> None:
        """Nothing is looked for."""

    def of(self, version: str) -> _LostOnTheWay:
        return self

    def binary(self, *_: Any) -> Any:
        raise Unreachable("the connection was lost", where="pi4")


def test_a_new_machine_that_is_lost_before_it_is_ready_costs_the_cluster_nothing(
    api: ServersApi, site: Site
) -> None:
    *_, phase = replace("pi4")(with_consents(site, LOSE), frozenset())
    tools = Tools(_LostOnTheWay(), site.sessions, site.api)
    run = RunState(site.sessions, lambda event: None, tools=tools, only={"pi4", CLUSTER})
    assert not run_phase(phase, run)
    assert isinstance(run.failures["pi4"], Unreachable)
    assert api.writes == []


# ------------------------------------------------------------------ remove


@pytest.mark.parametrize("absent", [(), ("pi4",)])
def test_the_only_copy_of_a_volume_keeps_its_node(
    api: ServersApi, site: Site, absent: tuple[str, ...]
) -> None:
    said = refused(remove("pi4", data=False), site, *absent)
    assert f"pi4 has the only copy of {CLAIM}" in said
    assert "StatefulSet default/db" in said
    assert api.writes == [], "a pod was evicted, or the node cordoned, before the refusal"


def test_a_cluster_that_cannot_be_asked_loses_no_node_and_says_so_once(
    api: ServersApi, site: Site
) -> None:
    api.away = True
    said = refused(remove("pi4", data=False), with_consents(site, LOSE))
    assert said.count("the cluster's API does not answer, so the node cannot be taken out") == 1
    assert "which volumes only pi4 has is not known" in said


def test_a_volume_that_was_given_up_lets_its_node_go_and_its_application_starts_anew(
    api: ServersApi, site: Site
) -> None:
    api.lose("pi4")
    run = carry_out(remove("pi4", data=False), with_consents(site, LOSE), "pi4")
    assert run.failures == {}
    pod = api.get(POD)
    assert pod["spec"].get("nodeName") in {"pi1", "pi2", "pi3"}, pod["status"]


def test_a_volume_that_is_kept_lets_its_node_go_and_its_application_waits(
    api: ServersApi, site: Site
) -> None:
    api.lose("pi4")
    claim = api.get("/api/v1/namespaces/default/persistentvolumeclaims/data-db-0")
    run = carry_out(remove("pi4", data=False), with_consents(site, KEEP), "pi4")
    assert run.failures == {}
    path = "/api/v1/namespaces/default/persistentvolumeclaims/data-db-0"
    assert api.get(path)["metadata"]["uid"] == claim["metadata"]["uid"]
    said = api.get(POD)["status"]["conditions"][0]["message"]
    assert "3 node(s) didn't match PersistentVolume's node affinity" in said


def test_what_keeps_longhorns_volumes_on_a_node_does_not_keep_the_node(
    api: ServersApi, site: Site
) -> None:
    """An instance manager with the last good copy refuses to be evicted, for ever."""
    owner = {"kind": "InstanceManager", "name": "im", "controller": True}
    spaces = "/api/v1/namespaces"
    api.create(spaces, "v1", "Namespace", "longhorn-system")
    api.create(
        f"{spaces}/longhorn-system/pods",
        "v1",
        "Pod",
        "im-pi4",
        metadata={"ownerReferences": [owner]},
        spec={"nodeName": "pi4", "containers": [{"name": "im"}]},
    )
    presence = Evacuated("pi4", 1).probe().ask(site.tools).presence
    assert presence is not None
    assert presence.pods == 1, "only the database's pod is to leave"


def test_that_the_registry_goes_with_its_node_is_said(site: Site) -> None:
    cluster = parse(f"{FILE}registry: {{node: pi4}}\n").cluster
    with_registry = replaced(site, cluster=cluster)
    for operation in (remove("pi4", data=False), replace("pi4")):
        assert places(list(operation(with_registry, frozenset())), RegistryLeaves)
        assert not places(list(operation(site, frozenset())), RegistryLeaves)


# ------------------------------------------------------------------ every operation


@pytest.mark.parametrize(
    "operation",
    [
        replace("pi4"),
        remove("pi4", data=False),
        reset(data=False),
        restart,
        upgrade,
    ],
    ids=["replace", "remove", "reset", "restart", "upgrade"],
)
def test_whatever_takes_a_node_away_knows_what_only_that_node_has(
    site: Site, operation: Build
) -> None:
    asked = [
        probe.name
        for phase in operation(site, frozenset())
        for step in phase.steps_for(CLUSTER)
        if isinstance(probe := step.probe(), StoredData | StoredBeforeUpgrade)
    ]
    assert STORED.name in asked


# ------------------------------------------------------------------ restore


def test_a_restore_changes_nothing_before_it_can_be_and_has_its_release_everywhere(
    site: Site,
) -> None:
    phases = list(restore(cast("Any", _Bundle()))(site, frozenset()))
    (stopped,) = places(phases, ServerStopped)
    assert places(phases, Restorable)[0] < places(phases, Packages)[0]
    staged = {
        target
        for number, phase in enumerate(phases)
        for position, stage in enumerate(phase.stages)
        if (number, position) < stopped
        for target, steps in stage.steps.items()
        if any(isinstance(step, Staged) for step in steps)
    }
    assert staged == {"pi1", "pi2", "pi3"}


class _Bundle:
    """A bundle of which only the name is asked."""

    name = "before"
