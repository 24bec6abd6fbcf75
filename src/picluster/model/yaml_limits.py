"""What YAML from elsewhere may be: so deep, and so large once its aliases are written out.

PyYAML has no limits: deep nesting ends the process, and a few lines of aliases grow for ever. So
the events are counted as they come, which takes neither depth nor memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 100
_MOST_VALUES = 1_000_000


class BeyondLimits(yaml.MarkedYAMLError):
    """It is YAML, and too much of it; `fix` is what to do about that."""

    def __init__(self, event: yaml.Event, why: str, fix: str) -> None:
        mark: Any = event.start_mark  # libyaml's has the same fields, and a type of its own
        super().__init__(problem=why, problem_mark=mark)
        self.fix = fix


@dataclass(slots=True)
class _Open:
    """A list or mapping that has not ended: its anchor, values before it, levels below it."""

    anchor: str | None
    before: int
    levels: int = 0


@dataclass(slots=True)
class _Count:
    deepest: int
    most: int
    values: int = 0
    opened: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Values and levels of what has an anchor, once it has ended."""

    def add(self, event: yaml.Event, values: int, levels: int) -> None:
        self.values += values
        if len(self.opened) + levels > self.deepest:
            why = f"it is nested too deeply, in more than {self.deepest} levels"
            raise BeyondLimits(event, why, "flatten it")
        if self.values > self.most:
            why = f"it has more than {self.most} values, aliases written out"
            raise BeyondLimits(event, why, "use fewer aliases")
        self._below(levels)

    def end(self) -> None:
        ended = self.opened.pop()
        if ended.anchor:
            self.anchors[ended.anchor] = (self.values - ended.before, ended.levels)
        self._below(ended.levels)

    def _below(self, levels: int) -> None:
        if self.opened:
            self.opened[-1].levels = max(self.opened[-1].levels, levels + 1)


def within_limits(
    events: Iterable[yaml.Event], deepest: int = _DEEPEST, most: int = _MOST_VALUES
) -> Iterator[yaml.Event]:
    """Pass events on. Raises `BeyondLimits` at the first that is too deep, or one too many."""
    count = _Count(deepest, most)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            count.anchors.clear()
        elif isinstance(event, yaml.AliasEvent):
            values, levels = count.anchors.get(event.anchor or "", (1, 0))
            if any(each.anchor == event.anchor for each in count.opened):
                raise BeyondLimits(event, f"*{event.anchor} contains itself", "write the value out")
            count.add(event, values, levels)
        elif isinstance(event, yaml.ScalarEvent):
            count.add(event, 1, 0)
            if event.anchor:
                count.anchors[event.anchor] = (1, 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            count.add(event, 1, 0)
            count.opened.append(_Open(event.anchor, count.values - 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            count.end()
        yield event


def check_limits(text: str) -> None:
    """Raise `yaml.MarkedYAMLError` for text that is too deep, too large, or contains itself.

    Raises what the parser does for text that is no YAML, too.
    """
    for _ in within_limits(yaml.parse(text, Loader=LOADER)):
        pass


def read_yaml(text: str) -> Any:
    """Return what one document says, within the limits.

    Raises `yaml.YAMLError`, or `ValueError` for a date or a number that there is not.
    """
    check_limits(text)
    return yaml.load(text, Loader=LOADER)  # noqa: S506 - it is a SafeLoader
