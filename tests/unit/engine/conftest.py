"""What tests of the engine share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.engine.runs import Bench

from picluster.engine.pool import Sessions
from picluster.engine.run import RunState


@pytest.fixture
def shell_nodes(tmp_path: Path) -> ShellNodes:
    """Nodes that are directories here."""
    return ShellNodes(tmp_path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    nodes, events = ShellNodes(tmp_path), []
    return Bench(nodes, RunState(Sessions(nodes), events.append), events)
