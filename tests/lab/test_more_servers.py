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
def sprouts(home: Path, artifacts: Path) -> Iterator[Bench]:
    """Three nodes of which the cluster file names only the first."""
    yield from rehearse("sprout", 3, 3, home, artifacts)


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
