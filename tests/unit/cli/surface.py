"""What users can type, read off the Typer application: commands, arguments and options."""

from __future__ import annotations

from typing import Any

import typer

from picluster.cli.app import app


def surface() -> dict[str, list[str]]:
    """Return the parameters of every command, by its words: options by their names, `NAME` else."""
    return dict(sorted(_below(typer.main.get_command(app), "picluster")))


def _below(command: Any, words: str) -> list[tuple[str, list[str]]]:
    if hasattr(command, "commands"):
        return [
            pair
            for name, inner in command.commands.items()
            for pair in _below(inner, f"{words} {name}")
        ]
    named = [parameter for parameter in command.params if parameter.name != "help"]
    return [(words, sorted(name for each in named for name in _names(each)))]


def _names(parameter: Any) -> list[str]:
    options = [name for name in (*parameter.opts, *parameter.secondary_opts) if name[0] == "-"]
    return options or [str(parameter.name).upper()]
