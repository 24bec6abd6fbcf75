"""A command of the user's own, run as root on several nodes at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from picluster.engine.session import Session
from picluster.errors import NodeError, UsageError
from picluster.model import Cluster
from picluster.site import Site


class Listener(Protocol):
    """Is told what nodes print and how they end, by several threads."""

    def hear(self, node: str, stream: str, data: bytes) -> None:
        """Take what a node wrote to `stdout` or `stderr`."""

    def ended(self, node: str, status: int) -> None:
        """Take how the script ended on a node."""

    def lost(self, node: str, error: NodeError) -> None:
        """Take why it did not end on a node, or was not begun."""


def chosen(cluster: Cluster, role: str, nodes: Sequence[str]) -> list[str]:
    """Return the names of the nodes that are asked for. Raises `UsageError`."""
    if role not in ("", "server", "agent"):
        raise UsageError(f"there is no role {role!r}", fix="use --role server or --role agent")
    named = [cluster.node(name).name for name in nodes]
    names = [
        node.name
        for node in cluster.nodes
        if (not role or node.role == role) and (not named or node.name in named)
    ]
    if not names:
        asked = f"{', '.join(named)} is no {role}" if named else f"{cluster.name} has no {role}"
        raise UsageError(asked, fix="`picluster config show` lists the nodes and their roles")
    return names


def run_everywhere(
    site: Site, names: Sequence[str], script: str, parallel: int, listener: Listener
) -> int:
    """Run the script on these nodes, `parallel` at a time; return the exit code for all.

    That is 4 if a node could not be worked on, else 1 if the script failed anywhere. Nodes are
    connected to first: whoever has to be asked about a host key is not to be asked amid output.
    """
    try:
        opened = site.sessions.open_all(names)

        def work(name: str) -> int:
            return _run_on(opened[name], name, script, site.cluster.limits.command, listener)

        with ThreadPoolExecutor(max_workers=parallel) as pool:
            return max(pool.map(work, names))
    finally:
        site.sessions.close_all()


def _run_on(
    session: Session | NodeError, name: str, script: str, seconds: float, listener: Listener
) -> int:
    try:
        if isinstance(session, NodeError):
            raise session
        done = session.run(script, timeout=seconds, on_output=partial(listener.hear, name))
    except NodeError as error:
        listener.lost(name, error)
        return NodeError.exit_code
    listener.ended(name, done.status)
    return min(1, done.status)
