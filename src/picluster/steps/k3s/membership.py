"""Who starts the cluster and who joins whom, decided from what is observed. Pure.

The first server of the file is special only when no server holds a cluster's data. As soon as one
does, everyone else joins it: a re-imaged first server must not start a second cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from picluster.steps.k3s.state import K3sState


@dataclass(frozen=True, slots=True)
class Starts:
    """This server starts the cluster, or already holds it."""


@dataclass(frozen=True, slots=True)
class Joins:
    """This node joins through that server."""

    server: str


@dataclass(frozen=True, slots=True)
class Split:
    """The servers hold the data of more than one cluster: by CA, the servers that hold it."""

    clusters: tuple[tuple[str, ...], ...]


Membership: TypeAlias = Starts | Joins | Split


def membership(
    node: str, servers: Sequence[str], states: Mapping[str, K3sState], current: str | None
) -> Membership:
    """Decide how `node` comes into the cluster.

    `servers` are the servers of the file in order; `states` has those that were seen. `current` is
    the server that the node's present configuration joins through. It is kept while it is one of
    them, so that a second run with another server up changes nothing; a node that has joined keeps
    one that was not seen, for that one may be back in a moment.
    """
    holders = [server for server in servers if states.get(server, K3sState()).in_cluster]
    split = _split(holders, states)
    if split:
        return split
    others = [server for server in servers if server != node]
    if node in holders:
        return Joins(current) if current and current in others else Starts()
    away = current not in states and states.get(node, K3sState()).joined
    if current and current in others and (current in holders or not holders or away):
        return Joins(current)
    if holders:
        return Joins(_best(holders, states))
    if servers and node == servers[0]:
        return Starts()
    return Joins(servers[0])


def _split(holders: Sequence[str], states: Mapping[str, K3sState]) -> Split | None:
    by_cluster: dict[str, list[str]] = {}
    for server in holders:
        by_cluster.setdefault(states[server].cluster, []).append(server)
    # Data without a CA is what an interrupted first start leaves; it belongs to no cluster yet.
    by_cluster.pop("", None)
    if len(by_cluster) < 2:  # noqa: PLR2004 - one cluster is not a split
        return None
    return Split(tuple(tuple(members) for members in by_cluster.values()))


def _best(holders: Sequence[str], states: Mapping[str, K3sState]) -> str:
    """Prefer a server that runs over one that merely holds data."""
    return next((server for server in holders if states[server].active), holders[0])
