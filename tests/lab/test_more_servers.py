"""A cluster of one server grows to three, and keeps what is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.bench import Bench
from tests.lab.kube import create_namespace, nodes_seen_by
from tests.lab.labs import rehearse


@pytest.fixture(scope="module")
def sprouts(home: Path, artifacts: Path, prepared_card: Path) -> Iterator[Bench]:
    """Three nodes of which the cluster file names only the first."""
    yield from rehearse("sprout", 3, 3, home, artifacts, image=prepared_card)


def test_one_server_becomes_three(sprouts: Bench) -> None:
    everything = sprouts.file.read_text()
    first, *others = sprouts.nodes
    alone = re.sub(rf"  - {{name: ({'|'.join(node.name for node in others)}),.*\n", "", everything)
    sprouts.file.write_text(alone)
    sprouts.picluster("up")
    assert set(nodes_seen_by(first)) == {first.name}
    assert first.status("test -e /var/lib/rancher/k3s/server/db/state.db") == 0
    first.sh(create_namespace("kept"))

    sprouts.file.write_text(everything)
    sprouts.picluster("up")
    seen = nodes_seen_by(first)
    assert {name: (node["ready"], node["voter"]) for name, node in seen.items()} == {
        node.name: ("True", "True") for node in sprouts.nodes
    }
    assert first.status("test -d /var/lib/rancher/k3s/server/db/etcd") == 0
    others[-1].sh("k3s kubectl get namespace kept")
    assert "nothing to do" in sprouts.picluster("up").said


def test_two_clusters_are_not_made_one_silently(sprouts: Bench) -> None:
    first, _, third = sprouts.nodes
    everything = sprouts.file.read_text()
    sprouts.reflash(third)
    names = "|".join(node.name for node in sprouts.nodes[:2])
    other = re.sub(rf"  - {{name: ({names}),.*\n", "", everything)
    lone = sprouts.file.with_name("other.yaml")
    lone.write_text(other.replace("name: sprout\n", "name: other\n"))
    sprouts.picluster("up", "--accept-new-host-keys", file=lone)
    before = first.sh("sha256sum /etc/rancher/k3s/config.yaml")

    refused = sprouts.picluster("up", expect=5).said
    assert "different clusters" in refused
    assert third.name in refused
    assert first.sh("sha256sum /etc/rancher/k3s/config.yaml") == before
    assert set(nodes_seen_by(third)) == {third.name}, "the other cluster has to be left alone"
