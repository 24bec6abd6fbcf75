"""A card that takes seconds for every write: its file system is frozen most of the time.

`python -m picluster.lab.slow_disk LAB NODE` does that until it is told to end.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from picluster.lab import background
from picluster.lab.commands import attempt
from picluster.lab.layout import LabLayout, LabNode, read_lab

_FROZEN_SECONDS = 20.0
_THAWED_SECONDS = 0.02


def slow_down(lab: LabLayout, node: LabNode) -> None:
    """Make the node's card slow until `relieve`. Idempotent."""
    if background.recorded(_record(node), "freezer") is None:
        freezer = background.start("picluster.lab.slow_disk", lab.name, node.name, log=node.console)
        background.record(_record(node), freezer=freezer)


def relieve(node: LabNode) -> None:
    """Let the card be as fast as it is."""
    freezer = background.recorded(_record(node), "freezer")
    if freezer is not None:
        background.end(freezer)
        attempt("fsfreeze", "--unfreeze", str(node.disk))
    _record(node).unlink(missing_ok=True)


def _record(node: LabNode) -> Path:
    return node.directory / "slow-disk.json"


def _freeze_again_and_again(node: LabNode) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            attempt("fsfreeze", "--freeze", str(node.disk))
            time.sleep(_FROZEN_SECONDS)
            attempt("fsfreeze", "--unfreeze", str(node.disk))
            time.sleep(_THAWED_SECONDS)
    finally:
        attempt("fsfreeze", "--unfreeze", str(node.disk))


if __name__ == "__main__":
    _freeze_again_and_again(read_lab(sys.argv[1]).node(sys.argv[2]))
