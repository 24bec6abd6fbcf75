"""Labs of the tests' own: booted for a fixture, gone after it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

from picluster.lab import rehearsal
from picluster.lab.base_tree import SUITE
from tests.lab.bench import Bench


def rehearse(
    name: str,
    nodes: int,
    servers: int,
    home: Path,
    artifacts: Path,
    *,
    image: Path | None = None,
    debian: str = SUITE,
) -> Iterator[Bench]:
    """Boot a lab, lend it, and remove it; its nodes begin with that image, or with nothing."""
    file = home / name / "cluster.yaml"
    wish = rehearsal.Wish(name, nodes, servers, artifacts, file, image, debian)
    try:
        yield Bench(rehearsal.up(wish, lambda line: None), file)
    finally:
        rehearsal.down(name)


def prepared_image(directory: Path, home: Path, artifacts: Path) -> Path:
    """Return the card of a node that `phase prepare` has prepared, made once for all workers."""
    image = directory / "prepared.img"
    with (directory / "prepared.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            for bench in rehearse("mould", 1, 1, home, artifacts):
                bench.picluster("phase", "prepare")
                unfinished = image.with_suffix(".part")
                rehearsal.keep_card(bench.node(1).node, unfinished)
                unfinished.rename(image)
    return image
