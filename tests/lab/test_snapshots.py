"""The cluster's data is saved and gone back to, on the same nodes and on bare ones."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from picluster.paths import cluster_state
from picluster.steps.k3s.paths import SERVER_DIR
from tests.lab.bench import Bench, kill, until
from tests.lab.kube import create_namespace, delete_namespace, nodes_seen_by
from tests.lab.labs import rehearse

SCHEMA = Path(__file__).parents[2] / "docs/schemas/snapshots.json"


@pytest.fixture(scope="module")
def keep(home: Path, artifacts: Path, prepared_card: Path) -> Iterator[Bench]:
    """Three servers and an agent in a cluster."""
    for bench in rehearse("keep", 4, 3, home, artifacts, image=prepared_card):
        bench.picluster("up")
        yield bench


def bundle_of(bench: Bench, name: str) -> Path:
    return cluster_state(bench.lab.name) / "snapshots" / name


def expect_back(bench: Bench, namespace: str) -> None:
    """The namespace is there, three servers vote, everyone is Ready, and `up` agrees."""
    bench.node(3).sh(f"k3s kubectl get namespace {namespace}")
    seen = nodes_seen_by(bench.node(2))
    assert {name: (node["ready"], node["voter"]) for name, node in seen.items()} == {
        node.name: ("True", "True" if node.node.role == "server" else None) for node in bench.nodes
    }
    assert "nothing to do" in bench.picluster("up").said


@pytest.fixture(scope="module")
def saved(keep: Bench) -> str:
    """A snapshot in which the namespace `precious` is."""
    keep.node(1).sh(create_namespace("precious"))
    keep.picluster("snapshot", "save", "--name", "good")
    return "good"


def test_a_snapshot_comes_here_with_all_that_is_needed_to_use_it(keep: Bench, saved: str) -> None:
    bundle = bundle_of(keep, saved)
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert set(manifest["files"]) >= {"token", "config.yaml", "cluster.yaml", "k3s-version"}
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in bundle.iterdir())
    token = keep.node(1).read("/var/lib/rancher/k3s/server/token").strip()
    assert (bundle / "token").read_text().strip() == token
    runs = cluster_state(keep.lab.name) / "runs"
    told = "".join(path.read_text() for path in runs.rglob("*") if path.is_file())
    assert token not in told

    listed = keep.picluster("snapshot", "list", "--json").document
    jsonschema.validate(listed, json.loads(SCHEMA.read_text()))
    assert [each["name"] for each in listed["here"]] == [saved]  # type: ignore[attr-defined]
    assert any(each["name"].startswith("good-") for each in listed["servers"])  # type: ignore[attr-defined]
    again = keep.picluster("snapshot", "save", "--name", saved, expect=5)
    assert "on this computer already" in again.said


def test_a_snapshot_of_a_server_is_pulled(keep: Bench, saved: str) -> None:
    keep.node(1).sh("k3s etcd-snapshot save --name nightly")
    rows = keep.picluster("snapshot", "list", "--json").document["servers"]
    name = next(row["name"] for row in rows if row["name"].startswith("nightly-"))  # type: ignore[attr-defined]
    keep.picluster("snapshot", "pull", name)
    assert (bundle_of(keep, name) / "token").exists()
    assert "nothing to do" in keep.picluster("snapshot", "pull", name).said
    missing = keep.picluster("snapshot", "pull", "nigthly", expect=5)
    assert "there is no snapshot nigthly" in missing.said


def test_nothing_is_stopped_while_a_server_is_missing(keep: Bench, saved: str) -> None:
    starts = [keep.node(number).starts_of_k3s() for number in (1, 3)]
    keep.node(2).break_("cut")
    try:
        keep.picluster("snapshot", "restore", saved, "--yes", expect=4)
        keep.picluster("snapshot", "restore", saved, expect=4)
    finally:
        keep.node(2).mend()
    assert [keep.node(number).starts_of_k3s() for number in (1, 3)] == starts
    refused = keep.picluster("snapshot", "restore", saved, expect=2)
    assert "--yes" in refused.said


def test_a_deleted_namespace_is_back_after_a_restore_that_was_killed(
    keep: Bench, saved: str
) -> None:
    keep.node(1).sh(delete_namespace("precious"))
    keep.node(1).sh(create_namespace("regretted"))
    planned = keep.picluster("snapshot", "restore", saved, "--dry-run").out
    for node in keep.nodes[1:3]:
        assert node.name in planned, "a database that is moved aside has to be named"
    assert "move this server's database" in planned
    with keep.begin("snapshot", "restore", saved, "--yes") as under_way:
        until(lambda: keep.node(1).holds(f"ls -d {SERVER_DIR}/db/etcd-old-*"), under_way)
        kill(under_way)
    done = keep.picluster("snapshot", "restore", saved, "--yes")
    assert "delete it when all is well" in done.out
    expect_back(keep, "precious")
    assert keep.node(1).status("k3s kubectl get namespace regretted") != 0


def test_bare_nodes_become_the_cluster_of_the_snapshot(keep: Bench, saved: str) -> None:
    """Every card is lost; what is on this computer is enough."""
    keep.reflash(*keep.nodes)
    (cluster_state(keep.lab.name) / "token").unlink(missing_ok=True)
    keep.picluster("snapshot", "restore", saved, "--yes")
    expect_back(keep, "precious")


def test_a_snapshot_that_was_damaged_is_refused(keep: Bench, saved: str) -> None:
    bundle = bundle_of(keep, saved)
    file = bundle / json.loads((bundle / "manifest.json").read_text())["origin"]["file"]
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    try:
        refused = keep.picluster("snapshot", "restore", saved, "--yes", expect=5)
    finally:
        file.write_bytes(whole)
    assert "is not what its digest says" in refused.said


def test_another_clusters_snapshot_is_refused_before_anything_stops(
    keep: Bench, saved: str
) -> None:
    keep.picluster("reset", "--yes")
    keep.picluster("up")
    starts = [node.starts_of_k3s() for node in keep.nodes]
    refused = keep.picluster("snapshot", "restore", saved, "--yes", expect=5)
    assert "another token" in refused.said
    assert [node.starts_of_k3s() for node in keep.nodes] == starts
