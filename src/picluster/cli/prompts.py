"""Asking the user at the terminal."""

from __future__ import annotations

import getpass
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from picluster.errors import ConfigInvalid, UsageError


def at_a_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@dataclass(slots=True)
class Prompts:
    """Asks the user; `pause` keeps whatever draws on the terminal off it meanwhile.

    Nodes are connected to in parallel, and each may have something to ask: one at a time.
    """

    pause: Callable[[], AbstractContextManager[None]] = nullcontext
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def agree(self, node: str, kind: str, print_: str) -> bool:
        """Ask about a new host key, as ssh does."""
        with self._turn, self.pause():
            return _agree(node, kind, print_)

    def ask(self, question: str) -> str:
        """Ask for a secret. Raises `ConfigInvalid` if there is nobody to ask."""
        with self._turn, self.pause():
            return _ask(question)


def confirm_name(name: str, what: str) -> None:
    """Let the user type the name of what is destroyed.

    Raises `UsageError` if something else is typed, or there is nobody to type.
    """
    if not at_a_terminal():
        raise UsageError(
            f"this would {what}, and there is no terminal to confirm it on",
            fix="look at it with --dry-run, then run it with --yes",
        )
    if _answer(f"This will {what}. Type {name} to go on: ") != name:
        raise UsageError(
            "not confirmed, and nothing was changed", fix=f"type {name} exactly, to go on"
        )


def _agree(node: str, kind: str, print_: str) -> bool:
    sys.stderr.write(f"{node} is new, and presents the {kind} key {print_}.\n")
    return _answer("Trust it and remember it? [yes/no] ").lower() in ("yes", "y")


def _ask(question: str) -> str:
    if not at_a_terminal():
        raise ConfigInvalid(
            f"{question.rstrip(': ')}: there is no terminal to ask on",
            fix="give it as env:NAME or file:PATH in the cluster file",
        )
    return getpass.getpass(f"{question.rstrip(': ')}: ")


def _answer(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()
