"""An upgrade goes through every release on its way, and begins where the oldest K3s is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.desk import FILE
from tests.unit.phases.sites import site_on

from picluster.engine.step import Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.nodes import NodeState
from picluster.model import parse
from picluster.model.edit import with_k3s_version
from picluster.operations.upgrade import OnTheWay, Stop, next_stop, upgrade, way
from picluster.site import Site

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


def test_what_is_one_step_away_needs_no_words() -> None:
    (only,) = way(["v1.36.3+k3s1"], "v1.36.4+k3s1")
    assert only == Stop("v1.36.4+k3s1")
    assert OnTheWay(only).decide(Look(CLUSTER, "", {})) == Satisfied()


def test_the_phase_says_how_far_it_is(tmp_path: Path) -> None:
    made = site(tmp_path, Seen(pi1="v1.35.8+k3s1"))
    titles = [phase.title for phase in upgrade(made, frozenset()) if phase.name == "upgrade"]
    assert titles == [
        "every node runs K3s v1.36.4+k3s1 (stop 1 of 2)",
        "every node runs K3s v1.37.1+k3s1 (stop 2 of 2)",
    ]


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
        ("k3s: {disable: []}\n", None),
        ("name: a\n", None),
        ("k3s:\n  version:\n", None),
        ("x: &v v1.35.8+k3s1\nk3s:\n  version: *v\n", None),
        ("k3s:\n  version: >-\n    v1.35.8+k3s1\n", None),
    ],
)
def test_the_file_gets_its_release_and_keeps_everything_else(text: str, edited: str | None) -> None:
    assert with_k3s_version(text, "NEW") == edited
