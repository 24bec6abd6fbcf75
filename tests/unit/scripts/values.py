"""A cluster file with the most hostile value in every place that lets one through."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from picluster.model import Cluster, ClusterFileInvalid, Problem, parse

_SWITCHED_OFF = re.compile(r"^( *)#(?=\S)", re.MULTILINE)
_EXAMPLE = Path(__file__).parents[3] / "examples" / "cluster.yaml"

HOSTILE = {
    "quotes": "x'; canary; '\"; canary; \"$(canary)`canary`\\",
    "quotes-without-spaces": "x';canary;'\"$(canary)`canary`",
    "substitution": "x$(canary)",
    "backticks": "x`canary`",
    "separators": "x;canary|canary&canary;",
    "url": "https://example.com/x;canary;$(canary)`canary`&canary|canary*?.git",
    "ssh-url": "git@example.com:x;canary;$(canary)`canary`",
    "dash": "-canary$(canary)",
    "option": "--canary=canary",
    "line": "x\ncanary\n",
    "carriage-return": "x\rcanary",
    "glob": "x*?[a-z]{b,c}~!",
    "percent": "%x%s%n%(canary)",
    "unicode": "x\u202ecanary²é",
    "line-separator": "x\u2028canary",
    "letters": "xé²ß日本",
    "reference": "file:/x$(canary);canary",
    "variable": "$CANARY${IFS}canary",
    "comment": "x #canary",
}
"""What may be tried in any place; `canary` is the command that must never be run."""

Place = tuple[str | int, ...]


def everything_on() -> str:
    """Return the example with everything that there is."""
    return _SWITCHED_OFF.sub(r"\1", _EXAMPLE.read_text())


@dataclass
class Written:
    """The text of a cluster file with one value in each line, and where each value is."""

    text: str = ""
    lines: dict[int, Place] = field(default_factory=dict)
    count: int = 0

    def line(self, text: str, at: Place | None = None) -> None:
        self.text += f"{text}\n"
        self.count += 1
        if at is not None:
            self.lines[self.count] = at


def write(tree: Any, changed: dict[Place, str]) -> Written:
    """Write a tree as YAML, with other values in some places."""
    out = Written()
    _write(out, tree, (), "", changed)
    return out


def _write(out: Written, tree: Any, at: Place, indent: str, changed: dict[Place, str]) -> None:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs:
        begins = f"{indent}{json.dumps(key)}:" if isinstance(tree, dict) else f"{indent}-"
        here = (*at, key)
        if isinstance(value, (dict, list)) and value:
            out.line(begins)
            _write(out, value, here, f"{indent}  ", changed)
        elif isinstance(value, (dict, list)):
            out.line(f"{begins} {json.dumps(value)}")
        else:
            out.line(f"{begins} {json.dumps(changed.get(here, value))}", here)


def _places(tree: Any, at: Place = ()) -> Iterator[Place]:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs:
        if isinstance(value, (dict, list)):
            yield from _places(value, (*at, key))
        else:
            yield (*at, key)


@dataclass
class Tried:
    """One hostile value, tried everywhere: the file with it where it is let through."""

    cluster: Cluster
    accepted: frozenset[Place]
    refused: dict[Place, Problem]
    file: Path


def tree_of(text: str) -> Any:
    """Return a cluster file's tree with texts alone, as the model reads it."""
    return yaml.load(text, yaml.BaseLoader)


def tried(tree: Any, value: str, path: Path) -> Tried:
    """Put a value into every place of a cluster file, and take it out of those that refuse it."""
    changed = dict.fromkeys(_places(tree), value)
    refused: dict[Place, Problem] = {}
    while True:
        written = write(tree, changed)
        try:
            cluster = parse(written.text, path).cluster
        except ClusterFileInvalid as error:
            at = {written.lines[each.line]: each for each in error.problems if each.line}
            new = {place: problem for place, problem in at.items() if place in changed}
            if not new:
                raise
            refused |= new
            changed = {place: text for place, text in changed.items() if place not in new}
            continue
        return Tried(cluster, frozenset(changed), refused, path)
