"""What YAML from elsewhere may be: so deep, and so large once its aliases are written out.

PyYAML has no limits: deep nesting ends the process, and a few lines of aliases grow for ever. So
the events are counted first, which takes neither depth nor memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 100
_MOST_VALUES = 1_000_000


@dataclass(slots=True)
class _Open:
    """A list or mapping that has not ended: its anchor, values before it, levels below it."""

    anchor: str | None
    before: int
    levels: int = 0


@dataclass(slots=True)
class _Count:
    values: int = 0
    opened: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Values and levels of what has an anchor, once it has ended."""

    def add(self, event: yaml.Event, values: int, levels: int) -> None:
        self.values += values
        if len(self.opened) + levels > _DEEPEST:
            raise _refused(event, f"it is nested in more than {_DEEPEST} levels")
        if self.values > _MOST_VALUES:
            raise _refused(event, f"it has more than {_MOST_VALUES} values, aliases written out")
        if self.opened:
            self.opened[-1].levels = max(self.opened[-1].levels, levels + 1)

    def end(self) -> None:
        ended = self.opened.pop()
        if ended.anchor:
            self.anchors[ended.anchor] = (self.values - ended.before, ended.levels)
        if self.opened:
            self.opened[-1].levels = max(self.opened[-1].levels, ended.levels + 1)


def check_limits(text: str) -> None:
    """Raise `yaml.MarkedYAMLError` for text that is too deep, too large, or contains itself.

    Raises what the parser does for text that is no YAML, too.
    """
    count = _Count()
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentStartEvent):
            count.anchors.clear()
        elif isinstance(event, yaml.AliasEvent):
            values, levels = count.anchors.get(event.anchor or "", (1, 0))
            if any(each.anchor == event.anchor for each in count.opened):
                raise _refused(event, f"*{event.anchor} contains itself")
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


def read_yaml(text: str) -> Any:
    """Return what one document says, within the limits.

    Raises `yaml.YAMLError`, or `ValueError` for a date or a number that there is not.
    """
    check_limits(text)
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - it is a SafeLoader


def _refused(event: yaml.Event, why: str) -> yaml.MarkedYAMLError:
    mark: Any = event.start_mark  # libyaml's has the same fields, and a type of its own
    return yaml.MarkedYAMLError(problem=why, problem_mark=mark)
