"""docs/commands.md names every command and every option, and none that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from picluster.cli.app import app

_PAGE = Path(__file__).parents[3] / "docs" / "commands.md"
_NOT_OURS = {"--help"}


def commands(group: Any, path: str = "picluster") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        here = f"{path} {name}"
        if name == "lab":  # it has a page of its own
            yield here, None
        elif hasattr(command, "commands"):
            yield from commands(command, here)
        else:
            yield here, command


def test_every_command_is_on_the_page() -> None:
    text = _PAGE.read_text()
    names = [name for name, _ in commands(typer.main.get_command(app))]
    assert len(names) > 8
    assert [name for name in names if f"`{name}" not in text] == []


def test_the_options_are_those_of_the_commands() -> None:
    real = {
        option
        for _, command in commands(typer.main.get_command(app))
        if command is not None
        for parameter in command.params
        for option in [*parameter.opts, *parameter.secondary_opts]
        if option.startswith("--")
    }
    real -= {"--verbose"}  # the page calls it -v
    written = set(re.findall(r"--[a-z][a-z-]+", _PAGE.read_text()))
    assert written == real - _NOT_OURS
