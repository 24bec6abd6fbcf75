"""How many nodes are disrupted at once, in which order, and who is asked first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.phases.test_missing_nodes import site
from tests.unit.steps.k3s.looks import printed

from picluster.engine.phase import Phase, Stage
from picluster.engine.probe import Observation
from picluster.engine.recollection import Recollection
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER, Survey
from picluster.model import Cluster
from picluster.operations.reset import node_cleaned, reset
from picluster.operations.restart import restart
from picluster.phases.k3s import fetch_ahead, k3s, lacking
from picluster.site import Site
from picluster.steps.data_directories import OF_LONGHORN, DataDeleted, DataKept
from picluster.steps.k3s.artifacts import Artifacts
from picluster.steps.k3s.credentials_here import CredentialsForgotten, NotReached
from picluster.steps.k3s.leftovers import own_network
from picluster.steps.k3s.reset_volumes import VolumesAtReset
from picluster.steps.k3s.state import STATE, state_fact
from picluster.steps.k3s.uninstall import VOLUMES, Uninstalled
from picluster.steps.k3s.vip import VipManifest
from picluster.steps.registry.removal import docker_removal, removal

RUNNING: Survey = {"pi4": {"k3s-state": printed(active="active", unit="k3s-agent")}}
BARE: Survey = {"pi4": {"k3s-state": printed()}}


def disrupting(phase: Phase, role: str) -> Stage:
    """Return the stage that restarts the nodes of a role."""
    (stage,) = (each for each in phase.stages if each.title.startswith(role))
    return stage


def phases(made: Site) -> list[Phase]:
    return [k3s(made), *restart(made, frozenset())]


def test_servers_are_disrupted_one_at_a_time_and_the_guard_is_asked() -> None:
    made = site()
    for phase in phases(made):
        stage = disrupting(phase, "servers")
        assert stage.width(RUNNING) == 1, phase.name
        assert stage.guard == made.guard.before_disruption, phase.name


@pytest.mark.parametrize("most", [1, 3])
def test_agents_are_disrupted_a_few_at_a_time(most: int) -> None:
    for phase in phases(site(f"limits: {{max_unavailable: {most}}}\n")):
        assert disrupting(phase, "agents").width(RUNNING) == most, phase.name


def test_agents_that_do_not_run_yet_join_together() -> None:
    assert disrupting(k3s(site()), "agents").width(BARE) is None


NOBODY: Survey = {f"pi{n}": {"k3s-state": printed()} for n in range(1, 5)}
SOMEBODY = [
    {"active": "active", "unit": "k3s"},
    {"datastore": "etcd", "unit": "k3s"},
    {"joined": "yes", "unit": "k3s-agent"},
]


def test_a_new_cluster_is_joined_by_all_once_its_first_server_is_there() -> None:
    made = k3s(site())
    servers, agents = disrupting(made, "servers"), disrupting(made, "agents")
    assert servers.leader == "pi1"
    assert servers.width(NOBODY) == 2, "etcd takes one learner at a time; the next comes up"
    assert agents.along(NOBODY)
    assert agents.width(NOBODY) is None


@pytest.mark.parametrize("facts", SOMEBODY)
@pytest.mark.parametrize("node", ["pi1", "pi4"])
def test_a_cluster_that_is_there_takes_one_server_at_a_time_and_agents_after(
    node: str, facts: dict[str, str]
) -> None:
    made = k3s(site())
    seen = {**NOBODY, node: {"k3s-state": printed(**facts)}}
    away = {name: facts for name, facts in NOBODY.items() if name != node}
    for survey in (seen, away):
        assert disrupting(made, "servers").width(survey) == 1
        assert not disrupting(made, "agents").along(survey)


def test_every_server_has_the_vip_and_no_agent_does() -> None:
    vip = "k3s: {vip: {address: 10.0.0.100}}\n"
    found = {
        node: [step.vip for step in k3s(site(vip)).steps_for(node) if isinstance(step, VipManifest)]
        for node in ("pi1", "pi2", "pi3", "pi4")
    }
    assert [[str(each.address) for each in vips if each] for vips in found.values()] == [
        ["10.0.0.100"],
        ["10.0.0.100"],
        ["10.0.0.100"],
        [],
    ]


def cleaned(cluster: Cluster, *, data: bool, extra: Sequence[Step] = ()) -> list[Step]:
    """What a node without a registry is cleaned by."""
    local, replicated = "the volumes of local-path", "Longhorn's replicas"
    volumes: list[Step] = (
        [
            DataDeleted(local, VOLUMES),
            DataDeleted(replicated, "/var/lib/longhorn", OF_LONGHORN),
        ]
        if data
        else [DataKept(local, VOLUMES), DataKept(replicated, "/var/lib/longhorn")]
    )
    return [state_fact(), Uninstalled(own_network(cluster)), *volumes, *extra]


@pytest.mark.parametrize("data", [False, True])
def test_a_reset_cleans_every_node_and_then_this_computer(data: bool) -> None:
    made = site()
    cluster = made.cluster
    clean, gone = cleaned(cluster, data=data), Uninstalled(own_network(cluster))
    (phase,) = reset(data=data)(made, frozenset({"pi4", "pi2"}))
    assert [(each.title, dict(each.steps), each.barrier) for each in phase.stages] == [
        (
            "volumes are named",
            {CLUSTER: [VolumesAtReset(gone, data, "/var/lib/longhorn", ["pi2", "pi4"])]},
            True,
        ),
        ("agents leave", {"pi4": clean}, False),
        ("servers leave", {"pi2": clean, "pi3": clean}, False),
        ("the last server leaves", {"pi1": clean}, False),
        (
            "this computer forgets the cluster",
            {
                CLUSTER: [
                    NotReached(
                        ["pi2", "pi4"],
                        "it is left as it is; run the reset again when it is back",
                    ),
                    CredentialsForgotten(
                        "home",
                        gone,
                        ("pi1", "pi2", "pi3", "pi4"),
                        made.here.credentials,
                        made.user_kubeconfig,
                    ),
                ]
            },
            True,
        ),
    ]


def test_replicas_are_looked_for_where_the_file_puts_them() -> None:
    made = site("longhorn: {data_path: /mnt/ssd}\n")
    (phase,) = reset(data=True)(made, frozenset())
    (named,) = phase.stages[0].steps[CLUSTER]
    assert isinstance(named, VolumesAtReset)
    assert named.longhorn == "/mnt/ssd"
    assert DataDeleted("Longhorn's replicas", "/mnt/ssd", OF_LONGHORN) in phase.steps_for("pi4")


@pytest.mark.parametrize("data", [False, True])
def test_a_node_that_had_the_registry_or_built_images_loses_that_too(data: bool) -> None:
    registry = site("registry: {node: pi1}\n").cluster
    assert registry.registry is not None
    names = list(registry.registry_endpoints)
    assert names
    there = removal(registry.registry.volume, names, data=data)
    plain = cleaned(registry, data=data)[1:]
    assert node_cleaned(registry, registry.node("pi1"), data=data) == [*plain, *there]
    assert node_cleaned(registry, registry.node("pi2"), data=data) == plain
    docker = docker_removal(names)
    built = site("registry: {node: pi1}\nopentakserver: {}\nimages: {builder: pi3}\n").cluster
    assert node_cleaned(built, built.node("pi3"), data=data) == [*plain, *docker]
    assert node_cleaned(built, built.node("pi1"), data=data) == [*plain, *there]


@pytest.mark.parametrize(("data", "kind"), [(False, DataKept), (True, DataDeleted)])
def test_a_reset_deletes_volumes_only_if_that_was_said(data: bool, kind: type) -> None:
    (phase,) = reset(data=data)(site("registry: {node: pi1}\n"), frozenset())
    steps = [step for node in ("pi1", "pi4") for step in phase.steps_for(node)]
    found = {type(step) for step in steps if isinstance(step, DataKept | DataDeleted)}
    assert found == {kind}


def test_the_server_that_a_cluster_is_begun_with_is_reset_last() -> None:
    (phase,) = reset(data=False)(site(), frozenset())
    order = [set(stage.steps) for stage in phase.stages]
    assert order[1:4] == [{"pi4"}, {"pi2", "pi3"}, {"pi1"}]


def remembered(**facts: dict[str, str]) -> Recollection:
    seen = Recollection()
    for node, each in facts.items():
        out = "".join(f"{key}={value}\n" for key, value in each.items())
        seen.keep(node, {STATE.text: Observation(out=out)})
    return seen


def test_k3s_is_fetched_for_the_processors_of_bare_nodes_while_they_are_prepared() -> None:
    cluster = site().cluster
    wanted = cluster.k3s.version
    bare, arm = {"arch": "amd64"}, {"arch": "arm64"}
    assert lacking(cluster, remembered(pi1=arm, pi2=bare, pi3=arm)) == ["amd64", "arm64"]
    assert lacking(cluster, remembered(pi1={**arm, "staged": wanted})) == []
    assert lacking(cluster, remembered(pi1={**arm, "version": "v1.33.5+k3s1"})) == []
    assert lacking(cluster, remembered(pi1={"datastore": "nonsense"}, pi2=arm)) == ["arm64"]
    assert lacking(cluster, Recollection()) == []


def test_what_bare_nodes_lack_is_on_its_way_before_they_are_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[str]()
    monkeypatch.setattr(Artifacts, "fetch_ahead", lambda _, arch: asked.append(arch))
    fetch_ahead(site(), remembered(pi1={"arch": "arm64"}, pi2={"arch": "amd64"}))
    assert asked == ["amd64", "arm64"]
