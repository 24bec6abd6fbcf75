"""Three servers and four agents, worked on at once: what their threads share is kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.model.k3s import DEFAULT_VERSION
from picluster.paths import cluster_state
from tests.doubles.k3s.build import build
from tests.lab.bench import Bench, Result
from tests.lab.kube import nodes_seen_by
from tests.lab.labs import rehearse

HEAVY = 9_000_000


@pytest.fixture(scope="module")
def seven(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Three servers and four agents, bare; their K3s is so big that nodes hand it on."""
    artifacts = tmp_path_factory.mktemp("heavy")
    build(artifacts, [DEFAULT_VERSION], HEAVY)
    yield from rehearse("seven", 7, 3, home, artifacts)


@pytest.fixture(scope="module")
def made(seven: Bench) -> Result:
    """How the first `up` ended, on nodes that had nothing."""
    return seven.picluster("up", "--json", expect=None, seconds=600)


def test_seven_bare_nodes_become_one_cluster(seven: Bench, made: Result) -> None:
    assert "bug in picluster" not in made.said
    assert made.status == 0, made.said
    seen = nodes_seen_by(seven.node(1))
    assert {name: (node["ready"], node["voter"]) for name, node in seen.items()} == {
        node.name: ("True", "True" if node.node.role == "server" else None) for node in seven.nodes
    }


def test_k3s_left_this_computer_once_for_all_of_them(made: Result) -> None:
    assert "cannot hand" not in made.said
    sent = made.events[-1]["bytes_sent"]
    assert isinstance(sent, int)
    assert HEAVY < sent < 2 * HEAVY, f"{sent} bytes for {HEAVY} bytes of K3s"


def test_what_the_threads_kept_here_is_whole_and_private(seven: Bench, made: Result) -> None:
    state = cluster_state(seven.lab.name)
    token = seven.node(1).read("/etc/rancher/k3s/cluster-token").strip()
    assert token.endswith((state / "token").read_text().strip())
    names = ("token", "kubeconfig", "known_hosts")
    assert {name: (state / name).stat().st_mode & 0o777 for name in names} == dict.fromkeys(
        names, 0o600
    )
    left = [path.name for path in state.iterdir() if path.name.startswith(".")]
    assert left == [], "temporary files are left over"


def test_a_second_run_connects_once_to_each_and_finds_nothing_to_do(
    seven: Bench, made: Result
) -> None:
    result = seven.picluster("up", "--json")
    last = result.events[-1]
    assert last["connections"] == len(seven.nodes)
    assert sum(tally["changed"] for tally in last["tallies"]) == 0  # type: ignore[attr-defined]
