"""What tests of the engine share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes


@pytest.fixture
def shell_nodes(tmp_path: Path) -> ShellNodes:
    """Nodes that are directories here."""
    return ShellNodes(tmp_path)
