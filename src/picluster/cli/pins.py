"""The host keys that are pinned for a cluster, as commands treat them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picluster.errors import UsageError
from picluster.model import Cluster
from picluster.paths import kept_of

if TYPE_CHECKING:
    from picluster.ssh.host_keys import HostKeys


def own_keys(cluster: Cluster) -> HostKeys:
    """Return the cluster's own pins; nobody new is trusted."""
    from picluster.ssh.host_keys import HostKeys

    return HostKeys(kept_of(cluster.name).known_hosts)


def forget(cluster: Cluster, node: str) -> bool:
    """Remove a node's pins; return whether there were any. Raises `UsageError` for no such node."""
    names = [known.name for known in cluster.nodes]
    if node not in names:
        raise UsageError(f"there is no node {node!r}", fix=f"nodes: {', '.join(names)}")
    from picluster.ssh.user_config import UserConfig

    wanted = cluster.node(node)
    how = cluster.ssh_for(wanted)
    route = UserConfig().route(wanted.address, how.user, how.port)
    return own_keys(cluster).forget(*route.pinned_as)
