"""What is wrong with a cluster file: every problem at once, each with its place and its remedy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.errors import ConfigInvalid

_LONGEST_VALUE = 60
_MOST_SHOWN = 50


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong.

    `line` and `column` count from 1 and are 0 when the problem is with the file as a whole; `path`
    is the key (`nodes[2].name`); `value` is what the file says, unless that may be a secret.
    """

    line: int
    column: int
    path: str
    what: str
    fix: str
    value: str | None = None

    def sentence(self) -> str:
        """Return what is wrong in one line, without place and remedy."""
        return " ".join(part for part in (self.path, self.value, self.what) if part)

    def where(self, file: str) -> str:
        """Return the place in the form that editors and terminals make clickable."""
        return f"{file}:{self.line}:{self.column}" if self.line else file


class ClusterFileInvalid(ConfigInvalid):
    """The cluster file cannot be used; `problems` holds every reason, in the order of the file."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(set(problems)))
        if len(self.problems) == 1:
            only = self.problems[0]
            super().__init__(only.sentence(), where=only.where(file), fix=only.fix)
        else:
            super().__init__(f"{len(self.problems)} problems\n{self._listing()}", where=file)

    def _listing(self) -> str:
        lines = []
        for problem in self.problems[:_MOST_SHOWN]:
            lines.append(f"{problem.where(self.file)}: {problem.sentence()}")
            lines.append(f"  fix: {problem.fix}")
        rest = len(self.problems) - _MOST_SHOWN
        return "\n".join([*lines, f"... and {rest} more"] if rest > 0 else lines)


def shown(value: object) -> str | None:
    """Return a value as it may appear in a message: short, quoted, on one line."""
    if not isinstance(value, (str, int)) or value == "":
        return "''" if value == "" else None
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, bool) else str(value)
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:_LONGEST_VALUE]}..."
    return repr(text) if isinstance(value, str) else text


def dotted(loc: Sequence[str | int]) -> str:
    """Return a location as users write it: `nodes[2].ssh.user`."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            plain = step.replace("_", "").replace("-", "").isalnum() and step.isascii()
            name = step if plain else repr(step[:_LONGEST_VALUE])
            text += f".{name}" if text else name
    return text
