"""Secrets: values that can be used but never shown.

A `Secret` prints as `***` wherever it is formatted by accident. Revealed values are also
registered here, so that text coming back from a node (command output, journal lines) can be
cleaned before it reaches a log, an exception or the screen.
"""

from __future__ import annotations

import re
import threading

MASK = "***"
_SHORTEST_REDACTED = 6  # below this, masking would blank out ordinary words

_PEM_EDGE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")

_lock = threading.Lock()
_known: set[str] = set()


class Secret:
    """A string that only `reveal()` gives away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        remember(value)

    @classmethod
    def around(cls, text: str) -> Secret:
        """Return a text that is secret for what it contains: all of it is hidden where it is shown.

        What it contains has to be a `Secret` already. Only that is masked by `redact`, and not each
        line of the text, which may well be ordinary words.
        """
        wrapped = cls.__new__(cls)
        wrapped._value = text
        return wrapped

    def reveal(self) -> str:
        """Return the value itself; hand it to stdin or to a file, never to a message."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def remember(value: str) -> None:
    """Have `redact` mask this value, and each of its lines, from now on.

    The lines around a PEM block are no secret: every certificate has them too.
    """
    with _lock:
        for part in {value, *value.splitlines()}:
            if len(part.strip()) >= _SHORTEST_REDACTED and not _PEM_EDGE.fullmatch(part.strip()):
                _known.add(part.strip())


def redact(text: str) -> str:
    """Return `text` with every known secret replaced by `***`."""
    with _lock:
        known = sorted(_known, key=len, reverse=True)
    if not known:
        return text
    return re.sub("|".join(map(re.escape, known)), MASK, text)
