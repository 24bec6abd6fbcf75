"""The recap ends with a command that there is."""

from __future__ import annotations

import pytest
from tests.unit.command_line import trouble_with
from tests.unit.phases.desk import Desk

from picluster.commands import _next_command

RECAPS = (
    *("up", "phase-prepare", "deploy", "restart", "upgrade", "reset", "doctor-fix", "registry-gc"),
    *("node-remove", "node-replace", "snapshot-save", "snapshot-pull", "snapshot-restore"),
)
"""The commands that end with a recap, as the journal calls them."""


@pytest.mark.parametrize("command", RECAPS)
@pytest.mark.parametrize("code", [0, 1, 4])
def test_the_next_command_of_a_recap_exists(command: str, code: int, desk: Desk) -> None:
    call = _next_command(desk.site(command, only={"pi1"}), code)
    assert trouble_with(call.removeprefix("picluster")) == ""
