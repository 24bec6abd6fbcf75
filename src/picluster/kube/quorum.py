"""The quorum guard: whether one server may be disrupted now. Pure functions.

etcd keeps working while more than half of its members do. The guard is asked before every restart,
reboot, upgrade, change of configuration, removal and reset of a server, and it says no whenever the
servers that would remain are not certain to be that majority.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from picluster.kube.health import Readyz
from picluster.kube.nodes import NodeState


@dataclass(frozen=True, slots=True)
class Allowed:
    """Go ahead; `note` says what the user should know, such as that the API goes away meanwhile."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Leave the server alone, for this reason."""

    reason: str
    fix: str


Ruling: TypeAlias = Allowed | Refused
Readiness: TypeAlias = Mapping[str, Readyz]
"""What each server's own `/readyz` says; a server that is missing here was not asked."""


def members(nodes: Mapping[str, NodeState]) -> frozenset[str]:
    """Return the servers among the nodes: whoever may be a member of etcd."""
    return frozenset(name for name, node in nodes.items() if node.is_server)


def majority(count: int) -> int:
    """Return how many of `count` members must work for the cluster to work."""
    return count // 2 + 1


def may_disrupt(
    server: str,
    nodes: Mapping[str, NodeState] | None,
    ready: Readiness,
    expected: Collection[str],
    *,
    destructive: bool = False,
) -> Ruling:
    """Judge whether `server` may be stopped, restarted or rebooted now.

    `nodes` is None if no server's API could tell. `expected` are the servers in the cluster file;
    one that is not a node yet, though its API answers, is taken for a member that is just joining.
    `destructive` means that its data will be lost (removal, reset): then a server that is down, or
    the only one, is not excused.
    """
    if nodes is None:
        return _blind(server, ready, destructive=destructive)
    joining = {
        name for name in expected if name not in nodes and name in ready and ready[name].answers
    }
    cluster = members(nodes) | joining
    if server not in cluster:
        return Allowed("it is not a server of this cluster yet" if server in expected else "")
    others = sorted(cluster - {server})
    if not others:
        return _only_server(server, destructive=destructive)
    troubles = {name: _trouble(nodes.get(name), ready.get(name)) for name in others}
    healthy = [name for name in others if not troubles[name]]
    needed = majority(len(cluster))
    if len(healthy) == len(others) >= needed:
        return Allowed()
    if not destructive and _down(nodes.get(server), ready.get(server)):
        return Allowed(f"{server} is down already, so working on it takes nothing away")
    return _refusal(server, troubles, len(healthy), needed, len(cluster))


def _blind(server: str, ready: Readiness, *, destructive: bool) -> Ruling:
    """Rule without a list of nodes: only when nothing works that could be broken."""
    working = sorted(name for name, answer in ready.items() if answer.ok)
    if not working and not destructive and server in ready:
        return Allowed("no server's API works at the moment, so there is nothing to lose")
    though = f"though {', '.join(working)} should work" if working else "no server's API works"
    return Refused(
        f"the cluster's nodes could not be read, {though}",
        "bring the servers up first; `journalctl -u k3s` on each says why it is not",
    )


def _only_server(server: str, *, destructive: bool) -> Ruling:
    if destructive:
        return Refused(
            f"{server} is the only server: the cluster and all its data would be gone",
            "reset the whole cluster if that is what you want",
        )
    return Allowed(f"{server} is the only server: the API is away while it restarts")


def _trouble(node: NodeState | None, ready: Readyz | None) -> str:
    """Say what keeps a server from being relied on; empty if nothing does."""
    if node is None:
        return "is just joining"
    if not node.ready:
        return f"is not Ready ({node.ready_reason})"
    if node.life is not None and not node.life.alive:
        return f"says Ready, and was not heard of for {node.life.silent:.0f} s"
    if node.voter is False:
        return "is still a learner in etcd" if node.learner else "does not vote in etcd"
    return _api_trouble(ready)


def _api_trouble(ready: Readyz | None) -> str:
    if ready is None:
        return "is not in the cluster file, so it cannot be checked"
    if not ready.answers:
        return "has an API that does not answer"
    failing = ", ".join(ready.failing) or ready.detail
    return "" if ready.ok else f"has an API that is not ready ({failing})"


def _down(node: NodeState | None, ready: Readyz | None) -> bool:
    """Whether a server surely contributes nothing: both witnesses, kubelet and API, are silent."""
    if node is None or ready is None:
        return False
    return not (node.ready and node.alive) and not ready.answers


def _refusal(
    server: str, troubles: Mapping[str, str], healthy: int, needed: int, size: int
) -> Refused:
    found = [f"{name} {trouble}" for name, trouble in troubles.items() if trouble]
    count = f"without {server}, {healthy} of {size} servers would work, and {needed} are needed"
    if healthy >= needed:
        count = f"{server} must wait for its turn: one server at a time"
    if not found:
        return Refused(
            count, "let another server join first; a cluster of two cannot spare either of them"
        )
    return Refused(
        f"{'; '.join(found)}; {count}",
        f"bring {', '.join(name for name, trouble in troubles.items() if trouble)} back first",
    )
