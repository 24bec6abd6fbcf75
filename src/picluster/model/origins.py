"""Which value is in force, and where it comes from: a line of the file, or a default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from picluster.model.problems import dotted
from picluster.model.section import Section
from picluster.model.yaml_tree import Tree, find, is_nothing, key_mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from picluster.model.cluster import Cluster

DEFAULT = "default"

Loc = tuple[str | int, ...]


class Setting(NamedTuple):
    """One value in force: its path, itself as plain data, and its origin.

    The origin is `cluster.yaml:12` or `default`. A node's field that was left out shows the
    value that the node takes over from the cluster, with that value's origin.
    """

    path: str
    value: Any
    origin: str


def rows_of(cluster: Cluster, tree: Tree, file: str) -> list[Setting]:
    """Return every value of the cluster, in the order of the model."""
    survey = _Survey(cluster, tree, file)
    return list(survey.rows(cluster, survey.plain))


def origins_of(cluster: Cluster, tree: Tree, file: str) -> dict[str, str]:
    """Return the origin of every value by its dotted path."""
    return {row.path: row.origin for row in rows_of(cluster, tree, file)}


@dataclass(frozen=True)
class _Survey:
    cluster: Cluster
    tree: Tree
    file: str

    @cached_property
    def plain(self) -> dict[str, Any]:
        return self.cluster.model_dump(mode="json")

    def rows(self, section: Section, data: Mapping[str, Any], loc: Loc = ()) -> Iterator[Setting]:
        for name, value in section:
            here = (*loc, name)
            if isinstance(value, Section):
                yield from self.rows(value, data[name], here)
            elif isinstance(value, tuple) and value and isinstance(value[0], Section):
                for index, item in enumerate(value):
                    yield from self.rows(item, data[name][index], (*here, index))
            elif isinstance(value, Mapping) and value:
                for key in value:
                    yield self._row((*here, key), data[name][key])
            else:
                yield self._value(section, name, data[name], here)

    def _value(self, section: Section, name: str, own: object, here: Loc) -> Setting:
        """The value itself, or the cluster-wide one where a node leaves it out."""
        common = section.inherits
        if own is None and common is not None and name in self.plain[common]:
            return self._row(here, self.plain[common][name], written_at=(common, name))
        return self._row(here, own)

    def _row(self, loc: Loc, value: object, *, written_at: Loc | None = None) -> Setting:
        at = written_at or loc
        _, found, complete = find(self.tree, at)
        if not complete or is_nothing(found):
            return Setting(dotted(loc), value, DEFAULT)
        return Setting(dotted(loc), value, f"{self.file}:{key_mark(self.tree, at).line}")
