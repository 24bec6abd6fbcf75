"""Names that only the local network knows (`pi1.local`, multicast DNS), made addresses.

K3s cannot ask for them: its resolver speaks DNS alone. So this computer does, and the nodes are
told addresses. What was once found is remembered: a node that is off answers for its name to
nobody, and the others' configuration is not to change for that.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from picluster.local_files import write_private
from picluster.model import Cluster, Node
from picluster.model.network import as_ip, as_network, is_local

LookUp = Callable[[str, int], str | None]
"""Returns an address of a name for a version of IP; None if nobody answers for the name."""

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def look_up(name: str, version: int) -> str | None:
    """Ask this computer's resolver; takes some seconds for a name that nobody answers for."""
    with contextlib.suppress(OSError, UnicodeError):
        for *_, place in socket.getaddrinfo(name, None, _FAMILIES[version]):
            found = as_ip(str(place[0]))
            if found is not None and not found.is_link_local and not found.is_loopback:
                return str(found)
    return None


def with_addresses(cluster: Cluster, remembered: Path, ask: LookUp = look_up) -> Cluster:
    """Return the cluster with an address inside it for each node that is known by such a name.

    `remembered` is the file of what was found before. A node of which neither tells stays as it is.
    """
    unknown = [node for node in cluster.nodes if is_local(node.address) and not node.k3s.node_ip]
    if not unknown:
        return cluster
    pods = as_network(cluster.k3s.cluster_cidr)
    version = pods.version if pods else 4
    with ThreadPoolExecutor(len(unknown)) as pool:
        found = dict(
            zip(
                (node.address for node in unknown),
                pool.map(lambda node: ask(node.address, version), unknown),
                strict=True,
            )
        )
    before = _read(remembered)
    known = before | {name: address for name, address in found.items() if address}
    if known != before:
        write_private(remembered, json.dumps(known, indent=1, sort_keys=True) + "\n")
    nodes = tuple(_inside(node, known) if node in unknown else node for node in cluster.nodes)
    return cluster.model_copy(update={"nodes": nodes})


def _inside(node: Node, known: Mapping[str, str]) -> Node:
    k3s = node.k3s.model_copy(update={"node_ip": known.get(node.address)})
    return node.model_copy(update={"k3s": k3s})


def _read(path: Path) -> dict[str, str]:
    """Return what is remembered; a file that is damaged says nothing."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(k): v for k, v in found.items() if isinstance(v, str) and as_ip(v) is not None}
