"""A line that a program fails with, what it means, and what to do about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST = 300

# How logrus (with and without a terminal), klog, etcd's zap and Go's runtime write that a program
# gives up, K3s that one of its parts did (k3s pkg/signals/signals.go), systemd that the kernel
# ended it.
LAST_WORDS = (
    r"level=(fatal|panic)|^(FATA|PANI)\[|(^|: )panic: |(^|: )fatal error: |"
    r'\bF[0-9]{4} [0-9]{2}:[0-9]{2}|"level":"(fatal|panic)"|Shutdown request received: .|'
    r"Failed with result 'oom-kill'"
)
"""A regular expression of Python's and `grep -E`'s for a line that a program ends with."""

_LAST_WORDS = re.compile(LAST_WORDS)
_LOGRUS = re.compile(r'msg="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Cause:
    """What a line says went wrong; in `fix`, `NODE` stands for the name of the node it is from.

    `says` is a regular expression, found in the line with upper and lower case alike. `passing`
    causes may go away by themselves, as when the server to join is still starting. `last_words`
    are causes only where the program ended with them: it also says such lines when all is well.
    """

    says: str
    why: str
    fix: str
    passing: bool = False
    last_words: bool = False


def explain(text: str, causes: Sequence[Cause]) -> Cause | None:
    """Return the cause that a log points to, if any is known.

    What the program ended with comes first, then what does not pass by itself, then the rest; of
    several lines the latest counts. Where it ended with words that nobody knows, what may pass is
    no explanation: such lines are ordinary ones of a start.
    """
    lines = text.splitlines()[::-1]
    ended = [line for line in lines if _LAST_WORDS.search(line)]
    ordinary = [cause for cause in causes if not cause.last_words]
    return (
        _first(ended, causes)
        or _first(lines, [cause for cause in ordinary if not cause.passing])
        or (_first(lines, [cause for cause in ordinary if cause.passing]) if not ended else None)
    )


def _first(lines: Sequence[str], causes: Sequence[Cause]) -> Cause | None:
    for line in lines:
        for cause in causes:
            if re.search(cause.says, line, re.IGNORECASE):
                return cause
    return None


def last_words(text: str) -> str:
    """Return what a program ended with, by its log, without time and level; empty if unknown."""
    line = next((each for each in text.splitlines()[::-1] if _LAST_WORDS.search(each)), "")
    told = _LOGRUS.search(line)
    words = re.sub(r"\\(.)", r"\1", told[1]) if told else line.strip()
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"


def up_to_last_words(text: str) -> str:
    """Return a log without what a later attempt said after the last failure."""
    lines = text.splitlines()
    ends = [number for number, line in enumerate(lines) if _LAST_WORDS.search(line)]
    return "\n".join(lines[: ends[-1] + 1] if ends else lines)
