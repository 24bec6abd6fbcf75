"""An upgrade goes through every release on its way, and begins where the oldest K3s is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.desk import FILE
from tests.unit.phases.sites import site_on
from tests.unit.steps.k3s.looks import printed

from picluster.engine.step import Blocked, Decision, Observation, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.nodes import NodeState
from picluster.model import parse
from picluster.model.edit import with_k3s_version
from picluster.operations.upgrade import ClusterExists, OnTheWay, Stop, next_stop, upgrade, way
from picluster.phases.k3s import k3s
from picluster.site import Site
from picluster.steps.k3s.credentials_here import NotReached
from picluster.steps.k3s.release_in_file import ReleaseInFile
from picluster.steps.k3s.state import STATE

WHOLE = [
    "v1.33.13+k3s2",
    "v1.34.11+k3s1",
    "v1.35.8+k3s1",
    "v1.36.4+k3s1",
    "v1.37.1+k3s1",
]


class Seen:
    """An API that knows the nodes' versions."""

    saved = Path("kubeconfig")

    def __init__(self, **versions: str) -> None:
        self.versions = versions

    def nodes(self) -> dict[str, NodeState] | None:
        return {name: NodeState(name, True, version=of) for name, of in self.versions.items()}


class Silent:
    saved = Path("kubeconfig")

    def nodes(self) -> dict[str, NodeState] | None:
        return None


def site(tmp_path: Path, api: Any) -> Site:
    cluster = parse(f"{FILE}k3s: {{version: v1.37.1+k3s1}}\n").cluster
    return replace(site_on(ShellNodes(tmp_path), cluster, tmp_path), api=api)


def brought(made: Site, build: Any) -> list[str]:
    """The release of each phase that upgrades, in their order."""
    phases = [phase for phase in build(made, frozenset()) if phase.name == "upgrade"]
    return [phase.title.split("K3s ")[1].split()[0] for phase in phases if "every" in phase.title]


def test_every_release_on_the_way_is_gone_through_in_order(tmp_path: Path) -> None:
    api = Seen(pi1="v1.33.5+k3s1", pi2="v1.33.5+k3s1", pi3="v1.33.5+k3s1", pi4="v1.33.5+k3s1")
    assert brought(site(tmp_path, api), upgrade) == WHOLE


def test_one_that_was_cut_off_goes_on_where_the_oldest_node_is(tmp_path: Path) -> None:
    api = Seen(pi1="v1.35.8+k3s1", pi2="v1.34.11+k3s1", pi3="v1.34.11+k3s1", pi4="v1.34.11+k3s1")
    assert brought(site(tmp_path, api), upgrade) == WHOLE[2:]


def test_a_node_that_is_not_in_the_file_holds_nobody_back(tmp_path: Path) -> None:
    api = Seen(pi1="v1.36.4+k3s1", pi2="v1.36.4+k3s1", old="v1.30.1+k3s1")
    assert brought(site(tmp_path, api), upgrade) == WHOLE[4:]


def test_without_an_api_the_nodes_themselves_say_whether_it_can_be(tmp_path: Path) -> None:
    assert brought(site(tmp_path, Silent()), upgrade) == WHOLE[4:]


def test_a_dry_run_shows_the_first_stop_and_tells_the_whole_way(tmp_path: Path) -> None:
    made = site(tmp_path, Seen(pi1="v1.33.5+k3s1"))
    assert brought(made, next_stop) == WHOLE[:1]
    first = next(iter(next_stop(made, frozenset())))
    (step,) = first.stages[0].steps[CLUSTER]
    said = step.decide(Look(CLUSTER, step.name, {}))
    assert isinstance(said, Satisfied)
    for release in WHOLE:
        assert release in said.warning
    assert "https://etcd.io/" in said.warning


def alone(release: str) -> Stop:
    return Stop(release, 1, 1, (), ())


def test_what_is_one_step_away_needs_no_words() -> None:
    (only,) = way(["v1.36.3+k3s1"], "v1.36.4+k3s1")
    assert only == alone("v1.36.4+k3s1")
    assert OnTheWay(only).decide(Look(CLUSTER, "", {})) == Satisfied()


def test_the_phase_says_how_far_it_is(tmp_path: Path) -> None:
    made = site(tmp_path, Seen(pi1="v1.35.8+k3s1"))
    titles = [phase.title for phase in upgrade(made, frozenset()) if phase.name == "upgrade"]
    assert titles == [
        "every node runs K3s v1.36.4+k3s1 (stop 1 of 2)",
        "every node runs K3s v1.37.1+k3s1 (stop 2 of 2)",
    ]


def test_before_the_nodes_are_changed_there_has_to_be_a_cluster_to_upgrade(tmp_path: Path) -> None:
    made = site(tmp_path, Seen(pi1="v1.36.4+k3s1"))
    preflight, phase = upgrade(made, frozenset({"pi2", "pi4"}))
    assert preflight.name == "preflight"
    assert phase.title == "every node runs K3s v1.37.1+k3s1"
    exists, behind, in_file, *others = phase.stages
    assert dict(exists.steps) == {CLUSTER: [ClusterExists(("pi1", "pi2", "pi3"))]}
    said = "it keeps its version of K3s, as an agent may; upgrade again when it is back"
    assert dict(behind.steps) == {CLUSTER: [NotReached(["pi4"], said)]}
    written = ReleaseInFile(made.file, "v1.37.1+k3s1")
    assert dict(in_file.steps) == {CLUSTER: [written]}
    assert [each.title for each in others] == [each.title for each in k3s(made).stages]


def exists(**states: Observation) -> Decision:
    step = ClusterExists(("pi1", "pi2"))
    survey = {name: {STATE.name: seen} for name, seen in states.items()}
    return step.decide(Look(CLUSTER, step.name, survey))


def test_only_a_cluster_that_is_there_is_upgraded() -> None:
    holds, empty = printed(datastore="etcd"), printed()
    assert exists(pi1=empty, pi2=holds) == Satisfied()
    assert exists(pi2=holds) == Satisfied()
    assert exists(pi1=empty, pi2=empty) == Blocked(
        "no server holds a cluster yet", "bring it up first: `picluster up`"
    )
    assert exists(pi1=empty) == Blocked(
        "no server that is there holds a cluster, and pi2 cannot be asked",
        "bring pi2 back",
        missing=("pi2",),
    )


def test_the_way_is_told_in_its_order(tmp_path: Path) -> None:
    first, second, third = way(["v1.34.11+k3s1"], "v1.37.1+k3s1")[:3]
    assert [(each.number, each.of) for each in (first, second, third)] == [(1, 3), (2, 3), (3, 3)]
    assert OnTheWay(first).decide(Look(CLUSTER, "", {})) == Satisfied(
        warning="K3s goes to v1.37.1+k3s1 by way of v1.35.8+k3s1, v1.36.4+k3s1: "
        + "; ".join(first.why)
    )
    assert OnTheWay(third).decide(Look(CLUSTER, "", {})) == Satisfied()


def test_what_makes_no_sense_as_a_release_is_no_way(tmp_path: Path) -> None:
    assert way(["dev", "v1.36.4+k3s1"], "v1.37.1+k3s1") == (alone("v1.37.1+k3s1"),)
    assert way(["dev"], "v1.37.1+k3s1") == (alone("v1.37.1+k3s1"),)
    assert way(["v1.38.1+k3s1"], "v1.37.1+k3s1") == (alone("v1.37.1+k3s1"),), "nobody goes back"


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        (
            "name: a  # mine\nk3s:\n  version: v1.35.8+k3s1  # why\n  disable: []\n",
            "name: a  # mine\nk3s:\n  version: NEW  # why\n  disable: []\n",
        ),
        ("k3s: {disable: [], version: v1.35.8+k3s1}\n", "k3s: {disable: [], version: NEW}\n"),
        ('k3s:\n  version: "v1.35.8+k3s1"\n', 'k3s:\n  version: "NEW"\n'),
        ("k3s:\r\n  version: v1.35.8+k3s1\r\n", "k3s:\r\n  version: NEW\r\n"),
        ("k3s:\r  version: v1.35.8+k3s1\r", "k3s:\r  version: NEW\r"),
        (
            "# a\u2028# b\x85k3s:\n  version: v1.35.8+k3s1\n",
            "# a\u2028# b\x85k3s:\n  version: NEW\n",
        ),
        ("k3s: {disable: []}\n", None),
        ("name: a\n", None),
        ("k3s:\n  version:\n", None),
        ("x: &v v1.35.8+k3s1\nk3s:\n  version: *v\n", None),
        ("k3s:\n  version: >-\n    v1.35.8+k3s1\n", None),
    ],
)
def test_the_file_gets_its_release_and_keeps_everything_else(text: str, edited: str | None) -> None:
    assert with_k3s_version(text, "NEW") == edited
