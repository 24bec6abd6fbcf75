"""Labs of the tests' own: booted for a fixture, gone after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from picluster.lab import rehearsal
from tests.lab.bench import Bench


def rehearse(name: str, nodes: int, servers: int, home: Path, artifacts: Path) -> Iterator[Bench]:
    """Boot a lab, lend it, and remove it."""
    file = home / name / "cluster.yaml"
    wish = rehearsal.Wish(name, nodes, servers, artifacts, file)
    try:
        yield Bench(rehearsal.up(wish, lambda line: None), file)
    finally:
        rehearsal.down(name)
