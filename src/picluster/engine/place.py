"""Where an action is done, and what it may touch there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from picluster.engine.pool import Sessions

Tool = TypeVar("Tool")


class Tools:
    """What a run's actions and live probes may use besides the nodes' shells: one of each type.

    The engine hands them out without knowing them, so that an action can be plain data that says
    what is to be done, and not hold on to a connection.
    """

    __slots__ = ("_tools",)

    def __init__(self, *tools: object) -> None:
        self._tools = tools

    def get(self, kind: type[Tool]) -> Tool:
        """Return the tool of that type. Raises `LookupError`: a phase was built without it."""
        for tool in self._tools:
            if isinstance(tool, kind):
                return tool
        raise LookupError(f"this run has no {kind.__name__}")


class Brought:
    """A tool: keeps what actions bring back for the user until it is shown, and records nothing.

    Threads may share it.
    """

    __slots__ = ("_things",)

    def __init__(self) -> None:
        self._things: list[object] = []

    def __bool__(self) -> bool:
        return bool(self._things)

    def add(self, thing: object) -> None:
        """Keep one, such as a password that was generated."""
        self._things.append(thing)

    def of(self, kind: type[Tool]) -> list[Tool]:
        """Return those of a kind, in the order in which they came."""
        return [thing for thing in self._things if isinstance(thing, kind)]


class Progress(Protocol):
    """What a long action tells the user, and how it learns that the user wants to stop."""

    def report(self, state: str) -> None:
        """Say what is being waited for and its observed state, such as `2 of 3 nodes Ready`."""

    def follow(self, line: str) -> None:
        """Say in passing how far it is: a line of output, or a count. It is not always shown."""

    def sleep(self, seconds: float) -> None:
        """Wait; raises `Interrupted` at once when the user stops the run."""

    def clock(self) -> float:
        """Return the time in seconds, by a clock that only moves forward."""


@dataclass(frozen=True, slots=True)
class Place:
    """One target, the ways to it, and whom to tell."""

    target: str
    sessions: Sessions
    tools: Tools
    progress: Progress
