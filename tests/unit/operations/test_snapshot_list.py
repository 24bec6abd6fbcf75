"""What is listed of snapshots, and which servers could not be asked for theirs."""

from __future__ import annotations

from pathlib import Path

from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.desk import FILE
from tests.unit.phases.sites import site_on

from picluster.errors import Unreachable
from picluster.model import parse
from picluster.operations.snapshot import list_all

AWAY = Unreachable("it cannot be reached over SSH", fix="look at its power")


def test_servers_that_did_not_answer_are_told_and_agents_are_not(tmp_path: Path) -> None:
    nodes = ShellNodes(tmp_path / "nodes", refuse={"pi2": AWAY, "pi4": AWAY})
    assert list_all(site_on(nodes, parse(FILE).cluster, tmp_path)) == ([], [], {"pi2": AWAY})
