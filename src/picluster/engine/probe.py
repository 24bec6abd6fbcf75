"""A probe: a read-only question to one target, and the typed facts that its answer holds.

A parser is pure and raises one error type, `Unreadable`: what a node prints is text from outside,
and one node that talks nonsense must fail alone, with what it said quoted.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from picluster.errors import ActionFailed, Unreadable

if TYPE_CHECKING:
    from picluster.engine.place import Tools

Facts = TypeVar("Facts")
Facts_co = TypeVar("Facts_co", covariant=True)
Tool = TypeVar("Tool")

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_QUOTED = 120


@dataclass(frozen=True)
class Observation:
    """What one script of a node's shell saw: its exit status and output.

    It was seen between `asked` and `answered`, in seconds since 1970 by this computer's clock.
    Output of `key=value` lines is read strictly: every reader raises `Unreadable`.
    """

    status: int = 0
    out: str = ""
    err: str = ""
    asked: float = field(default=0.0, compare=False)
    answered: float = field(default=0.0, compare=False)

    @property
    def lines(self) -> list[str]:
        """The output's lines, without line ends. Only `\\n` ends a line: U+2028 is text."""
        lines = self.out.split("\n")
        return lines[:-1] if lines[-1] == "" else lines

    @cached_property
    def _values(self) -> Mapping[str, list[str]]:
        values: dict[str, list[str]] = {}
        for line in self.lines:
            key, found, value = line.partition("=")
            if found:
                values.setdefault(key, []).append(value)
        return values

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key, in the order in which they came."""
        return tuple(self._values)

    def has(self, key: str) -> bool:
        """Whether there is a line of that key."""
        return key in self._values

    def every(self, key: str) -> tuple[str, ...]:
        """Return all values of a key, in order."""
        return tuple(self._values.get(key, ()))

    def text(self, key: str, default: str | None = None) -> str:
        """Return the last value of a key."""
        if key in self._values:
            return self._values[key][-1]
        if default is None:
            raise Unreadable(f"its answer has no `{key}`")
        return default

    def flag(self, key: str) -> bool:
        """Whether the key says `yes`; without a line of it, no."""
        return self._one_of(key, {"yes": True, "no": False, "": False}) if self.has(key) else False

    def _one_of(self, key: str, known: Mapping[str, bool]) -> bool:
        value = self.text(key)
        if value not in known:
            raise Unreadable(f"`{key}` is neither yes nor no: {shown(value)}")
        return known[value]

    def number(self, key: str, default: int | None = None) -> int:
        """Return a whole number; an empty value is the default's, if there is one."""
        value = self.text(key, None if default is None else "")
        return default if value == "" and default is not None else whole(value, key)

    def decimal(self, key: str, default: float | None = None) -> float:
        """Return a number that may have decimals; an empty value is the default's."""
        value = self.text(key, None if default is None else "")
        if value == "" and default is not None:
            return default
        if not _DECIMAL.fullmatch(value):
            raise Unreadable(f"`{key}` is not a number: {shown(value)}")
        return float(value)

    def content(self, key: str) -> str | None:
        """Return a text that was sent as base64, None if absent; U+FFFD stands for bad UTF-8."""
        return unpacked(self.text(key), key) if self.has(key) else None


@dataclass(frozen=True, slots=True)
class ShellProbe(Generic[Facts]):
    """Read-only POSIX shell, and how its answer is read.

    It runs as root, stdin is empty, `LC_ALL=C`. `name` is its place in a survey: what several
    steps want to know is asked once. `parse` raises `Unreadable` and nothing else. `secret` keeps
    what it prints out of every journal and message; its text, which may hold a login, stays out of
    them too.
    """

    name: str
    text: str = field(repr=False)
    parse: Callable[[Observation], Facts] = field(repr=False)
    secret: bool = False


class LiveProbe(Protocol[Facts_co]):
    """A read-only question that no shell answers, such as a read of the API; frozen data.

    Its facts are never None: what may be absent is said by a type of its own.
    """

    @property
    def name(self) -> str:
        """Its place in a survey."""

    @property
    def secret(self) -> bool:
        """Whether the facts are kept out of every journal and message."""

    def ask(self, tools: Tools) -> Facts_co:
        """Ask, and return the facts. Raises a `PiclusterError`."""


def whole(text: str, what: str) -> int:
    """Read a whole number of ASCII digits: `²` is a digit to Python and no number."""
    if not _NUMBER.fullmatch(text):
        raise Unreadable(f"`{what}` is not a number: {shown(text)}")
    return int(text)


def unpacked(encoded: str, what: str) -> str:
    """Return the text that was sent as base64, with U+FFFD for what is no UTF-8."""
    return unpacked_bytes(encoded, what).decode("utf-8", "replace")


def unpacked_bytes(encoded: str, what: str) -> bytes:
    """Return the bytes that were sent as base64."""
    try:
        return base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(f"`{what}` is not base64: {shown(encoded)}") from None


NONSENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What Python raises where an answer from outside is of another shape than it should be."""


def senseless(what: str, where: str, error: Exception) -> ActionFailed:
    """Return the failure of one target whose answer nobody can make sense of."""
    return ActionFailed(
        f"{what} makes no sense",
        where=where,
        why=f"it is not of the form that it should have ({type(error).__name__})",
        fix="run the command again; if it persists, report it with `picluster support-bundle`",
    )


def shown(text: str) -> str:
    """Return a foreign text as it may stand in a message: short, on one line, escaped."""
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}...")
