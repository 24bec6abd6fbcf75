"""YAML read into a tree that remembers where everything was written.

PyYAML's own loaders follow YAML 1.1, in which `no` is false, `0600` is 384 and `1:30` is 90, and
they take the last of two equal keys without a word. Here scalars stay text until a field reads
them, a repeated key is a problem, and a small file cannot grow into a large one through aliases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from picluster.model.yaml_limits import BeyondLimits, within_limits

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_DEEPEST = 30
_MOST_VALUES = 50_000  # aliases counted each time they are used


class Mark(NamedTuple):
    """A place in a file; the first line and the first column are 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value; `text` is None where nothing was written, or `null`."""

    text: str | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Tree, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping; each key comes with the place where it is written."""

    entries: dict[str, tuple[Mark, Tree]]
    mark: Mark


Tree = Scalar | Items | Entries
Data = str | list["Data"] | dict[str, "Data"] | None


@dataclass(frozen=True)
class Flaw:
    """Something about the YAML itself that is wrong."""

    mark: Mark
    what: str
    fix: str


class NotYaml(Exception):
    """The text cannot be read any further; carries everything found wrong up to there."""

    def __init__(self, flaws: list[Flaw]) -> None:
        super().__init__(flaws)
        self.flaws = flaws


def read_tree(text: str) -> tuple[Tree | None, list[Flaw]]:
    """Return the only document in `text`, None if there is none, and what is wrong with it.

    Raises `NotYaml` when the text does not parse, or is too deep or too large.
    """
    composer = _Composer()
    try:
        events = yaml.parse(text, Loader=_Loader)
        tree = composer.document(within_limits(events, _DEEPEST, _MOST_VALUES))
    except BeyondLimits as error:
        what = str(error.problem).removeprefix("it ")
        raise NotYaml(
            [*composer.flaws, Flaw(_place(error.problem_mark), what, error.fix)]
        ) from None
    except yaml.MarkedYAMLError as error:
        raise NotYaml([*composer.flaws, _flaw_of(error, text)]) from None
    except yaml.reader.ReaderError as error:
        raise NotYaml([*composer.flaws, _unreadable(text, error.position)]) from None
    except UnicodeEncodeError as error:
        raise NotYaml([_unreadable(text, error.start)]) from None
    return tree, composer.flaws


def data_of(tree: Tree | None) -> Data:
    """Return the tree as plain lists, dicts and text."""
    if isinstance(tree, Items):
        return [data_of(item) for item in tree.items]
    if isinstance(tree, Entries):
        return {key: data_of(value) for key, (_, value) in tree.entries.items()}
    return tree.text if tree else None


def is_nothing(tree: Tree | None) -> bool:
    """Whether a key is there and its value is not."""
    return isinstance(tree, Scalar) and tree.text is None


def find(tree: Tree | None, loc: tuple[str | int, ...]) -> tuple[Mark, Tree | None, bool]:
    """Return where `loc` is written and what is there, or the nearest thing around it.

    The place of a scalar is its own, that of a list or mapping is its key's. The last element
    tells whether the whole of `loc` was found.
    """
    mark, at_key, here = Mark(1, 1), Mark(1, 1), tree
    for step in loc:
        if isinstance(here, Entries) and isinstance(step, str) and step in here.entries:
            at_key, here = here.entries[step]
        elif isinstance(here, Items) and isinstance(step, int) and step < len(here.items):
            here = here.items[step]
            at_key = here.mark
        else:
            return mark, here, False
        mark = here.mark if isinstance(here, Scalar) and here.text is not None else at_key
    return mark, here, True


def key_mark(tree: Tree | None, loc: tuple[str | int, ...]) -> Mark:
    """Return where the key that `loc` ends in is written."""
    _, parent, _ = find(tree, loc[:-1])
    if isinstance(parent, Entries) and loc and loc[-1] in parent.entries:
        return parent.entries[str(loc[-1])][0]
    return find(tree, loc)[0]


@dataclass
class _Composer:
    flaws: list[Flaw] = field(default_factory=list)
    anchors: dict[str, Tree] = field(default_factory=dict)

    def document(self, events: Iterator[yaml.Event]) -> Tree | None:
        tree: Tree | None = None
        for event in events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            if tree is not None:
                what = "starts a second document; the cluster has to be described in one"
                raise NotYaml([*self.flaws, Flaw(_mark(event), what, "take the line out")])
            tree = self._tree(next(events), events)
        return tree

    def _tree(self, event: yaml.Event, events: Iterator[yaml.Event]) -> Tree:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._check_tag(event)
        tree: Tree
        if isinstance(event, yaml.ScalarEvent):
            nothing = _is_plain(event) and event.value in _NOTHING
            tree = Scalar(None if nothing else event.value, _mark(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            tree = self._items(event, events)
        else:
            tree = self._entries(event, events)
        if anchor := getattr(event, "anchor", None):
            self.anchors[anchor] = tree
        return tree

    def _alias(self, event: yaml.AliasEvent) -> Tree:
        name = str(event.anchor)
        if name not in self.anchors:
            flaw = Flaw(_mark(event), f"*{name} is not defined above", "write the value out")
            raise NotYaml([*self.flaws, flaw])
        return self.anchors[name]

    def _check_tag(self, event: yaml.Event) -> None:
        tag: str | None = getattr(event, "tag", None)
        if tag:
            what = f"has the tag {_printable(tag)}, which means nothing here"
            self.flaws.append(Flaw(_mark(event), what, "take the tag out"))

    def _items(self, start: yaml.Event, events: Iterator[yaml.Event]) -> Items:
        items: list[Tree] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._tree(event, events))
        return Items(tuple(items), _mark(start))

    def _entries(self, start: yaml.Event, events: Iterator[yaml.Event]) -> Entries:
        entries: dict[str, tuple[Mark, Tree]] = {}
        merged: list[Tree] = []
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._tree(event, events)
            value = self._tree(next(events), events)
            if not isinstance(key, Scalar):
                what = "is a list or a mapping in the place of a key"
                self.flaws.append(Flaw(_mark(event), what, "write a name as the key"))
            elif key.text == "<<" and _is_plain(event):
                merged.append(value)
            else:
                self._enter(entries, key, value, _mark(event))
        self._merge(entries, merged)
        return Entries(entries, _mark(start))

    def _enter(
        self, entries: dict[str, tuple[Mark, Tree]], key: Scalar, value: Tree, mark: Mark
    ) -> None:
        name = "" if key.text is None else key.text
        if name in entries:
            first = entries[name][0].line
            what = f"{_printable(name)} is already given in line {first}"
            self.flaws.append(Flaw(mark, what, "keep one of the two"))
        else:
            entries[name] = (mark, value)

    def _merge(self, entries: dict[str, tuple[Mark, Tree]], merged: list[Tree]) -> None:
        """Take in `<<: *other`, in which nothing wins over what the mapping says itself."""
        sources = [
            source
            for value in merged
            for source in (value.items if isinstance(value, Items) else (value,))
        ]
        for source in sources:
            if not isinstance(source, Entries):
                what = "is merged here, and is not a mapping"
                self.flaws.append(Flaw(source.mark, what, "merge mappings only: <<: *name"))
                continue
            for name, entry in source.entries.items():
                entries.setdefault(name, entry)


def _is_plain(event: yaml.Event) -> bool:
    """Whether a scalar is written without quotes."""
    return isinstance(event, yaml.ScalarEvent) and bool(event.implicit and event.implicit[0])


def _mark(event: yaml.Event) -> Mark:
    return _place(event.start_mark)


def _place(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)


def _flaw_of(error: yaml.MarkedYAMLError, text: str) -> Flaw:
    place = _place(error.problem_mark or error.context_mark)
    said = " ".join(part for part in (error.context, error.problem) if part)
    fix = "check the indentation, colons, quotes and brackets in this line and the one above"
    if "cannot start any token" in said:
        fix = "quote the text; nothing can start with %, @ or ` without quotes"
    if "\t" in _indentation(text, place.line):
        fix = "indent with spaces instead of tabs"
    return Flaw(place, f"is not valid YAML: {_printable(said)}", fix)


def _indentation(text: str, line: int) -> str:
    lines = text.splitlines()[line - 1 : line]
    return lines[0][: len(lines[0]) - len(lines[0].lstrip())] if lines else ""


def _unreadable(text: str, position: int) -> Flaw:
    return Flaw(place_of(text, position), "is a character that YAML does not allow", "take it out")


def place_of(text: str, position: int) -> Mark:
    """Return the place of the character at `position`."""
    before = text[:position]
    return Mark(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
