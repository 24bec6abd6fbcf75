"""Where the data of volumes is, as steps see it: one reading of the cluster for all of them.

Every operation that takes a node away, for a while or for good, asks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from picluster.engine.step import Fact
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import PiclusterError
from picluster.kube.nodes import node_states
from picluster.kube.reach import api_of
from picluster.kube.volumes import Stored, Volume, read_stored

if TYPE_CHECKING:
    from picluster.engine.place import Tools


@dataclass(frozen=True, slots=True)
class NotKnown:
    """The cluster could not be asked, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class StoredData:
    """Where the data of all volumes is."""

    name: str = "stored-data"
    secret: bool = False

    def ask(self, tools: Tools) -> Stored | NotKnown:
        try:
            return read_stored(api_of(tools))
        except PiclusterError as error:
            return NotKnown(error.what)


@dataclass(frozen=True, slots=True)
class StoredBeforeUpgrade:
    """Where the data of all volumes is, asked only if a node runs another version of K3s.

    So that a run that drains no node costs one question more, and not five.
    """

    version: str
    name: str = "stored-data"
    secret: bool = False

    def ask(self, tools: Tools) -> Stored | NotKnown:
        try:
            api = api_of(tools)
            if all(node.version == self.version for node in node_states(api)):
                return Stored()
            return read_stored(api)
        except PiclusterError as error:
            return NotKnown(error.what)


STORED = StoredData()


def stored_data_known(what: StoredData | StoredBeforeUpgrade = STORED) -> Fact:
    """Return what looks where the data of all volumes is; other steps judge it."""
    return Fact(what.name, "it is known where the data of volumes is", what)


def only_on(look: Look, node: str) -> tuple[Volume, ...]:
    """Return the volumes that only this node has; none while that is not known."""
    seen = look.find(STORED, CLUSTER)
    return seen.only_on(node) if isinstance(seen, Stored) else ()


def missed_without(look: Look, node: str) -> str:
    """Say which applications cannot run while a node is away; empty if none is known.

    What could start elsewhere without its data is named too: it will.
    """
    told = [
        f"{users(volume)} ({volume.name} is on no other node)"
        for volume in only_on(look, node)
        if volume.applications
    ]
    return "; ".join(dict.fromkeys(told))


def held_by_longhorn(look: Look, node: str) -> str:
    """Say of which volumes of Longhorn's a node has the last good copy; empty if of none.

    Longhorn refuses to have such a node drained unless its setting `node-drain-policy` allows it.
    """
    return ", ".join(each.name for each in only_on(look, node) if each.kind == "Longhorn")


def users(volume: Volume) -> str:
    """Name the applications that use a volume; empty if no pod does now."""
    return " and ".join(map(str, volume.applications))
