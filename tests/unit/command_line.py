"""Whether a call of picluster, as some text shows it, is one that there is."""

from __future__ import annotations

import re
from typing import Any

import typer

from picluster.cli.app import app

CLI: Any = typer.main.get_command(app)


def options_of(command: Any) -> set[str]:
    names = (name for item in command.params for name in [*item.opts, *item.secondary_opts])
    return {"--help", *(name for name in names if name.startswith("-"))}


def trouble_with(arguments: str) -> str:
    """Say what is wrong with a call of picluster as a text shows it; empty if nothing is."""
    command: Any = CLI
    words = arguments.split()
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        if words[0] not in command.commands:
            return f"there is no command {words[0]!r} in `picluster{arguments}`"
        command = command.commands[words.pop(0)]
    for word in words:
        if word == "--":  # what follows is another program's
            break
        option = word.strip("[],.").partition("=")[0]
        known = options_of(command)
        stacked = re.fullmatch(r"-(v+)", option) and "-v" in known
        if option.startswith("-") and option not in known and not stacked:
            return f"there is no option {option} in `picluster{arguments}`"
    return ""
