"""How plain facts read: durations, symbols, failures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.lines import visible

_MINUTE = 60
_HOUR = 3600


def duration(seconds: float) -> str:
    """Return `0.4 s`, `12 s`, `3 min 5 s` or `2 h 10 min`."""
    if seconds < 10:  # noqa: PLR2004 - two digits are enough
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def without(missing: Sequence[str]) -> str:
    """Return `, without pi3`, to follow what came of the others; empty if nobody was missing."""
    return f", without {', '.join(missing)}" if missing else ""


@dataclass(frozen=True, slots=True)
class Marks:
    """The symbols for the outcomes of a step; ASCII where the terminal has no more."""

    ok: str
    changed: str
    failed: str
    skipped: str
    warning: str

    def of(self, outcome: str) -> str:
        """Return the symbol of an outcome by its name in the events."""
        return str(getattr(self, outcome))


UNICODE = Marks("✓", "~", "✗", "-", "!")
ASCII = Marks("ok", "~", "x", "-", "!")


def marks_for(encoding: str | None) -> Marks:
    """Return the symbols that an output of that encoding can show."""
    return UNICODE if (encoding or "").lower().replace("-", "").startswith("utf") else ASCII


def safe(text: str) -> str:
    """Return the text without control characters: a node must not steer the user's terminal."""
    return visible(text)


def failure(what: str, *, where: str = "", why: str = "", fix: str = "", evidence: str = "") -> str:
    """Return a failure in the one form of all messages: what, where, why, what to do."""
    lines = [f"{where}: {what}" if where else what]
    for label, text in (("why", why), ("fix", fix)):
        if text:
            lines.append(textwrap.indent(f"{label}: {text}", "  "))
    if evidence.strip():
        lines += ["  seen:", textwrap.indent(evidence.strip(), "    | ")]
    return "\n".join(lines)


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 change`, `3 changes`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
