"""What tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.desk import FILE, Desk

from picluster.model import parse


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    # The lock's script waits for the end of the run; these nodes answer when a script is over.
    monkeypatch.setattr("picluster.engine.lock.FirstThatIsThere.take", lambda self: None)
    nodes = ShellNodes(tmp_path / "nodes")
    return Desk(nodes, parse(FILE).cluster, tmp_path)
