"""Asking before something is destroyed."""

from __future__ import annotations

import sys

from picluster.cli.context import at_a_terminal
from picluster.errors import UsageError


def confirm_name(name: str, what: str) -> None:
    """Let the user type the name of what is destroyed.

    Raises `UsageError` if something else is typed, or there is nobody to type.
    """
    if not at_a_terminal():
        raise UsageError(
            f"this would {what}, and there is no terminal to confirm it on",
            fix="look at it with --dry-run, then run it with --yes",
        )
    sys.stderr.write(f"This will {what}. Type {name} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != name:
        raise UsageError(
            "not confirmed, and nothing was changed", fix=f"type {name} exactly, to go on"
        )
