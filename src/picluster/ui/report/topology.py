"""What a cluster looks like by its file: tiers of machines, and what they carry. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.model import Cluster, Node


@dataclass(frozen=True, slots=True)
class Machine:
    """A node as it is drawn: its name and address, and what it does besides its role."""

    name: str
    address: str
    duties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """The cluster's tiers, from what clients reach to what runs on it; some may be empty."""

    endpoint: str
    k3s: str
    servers: tuple[Machine, ...]
    agents: tuple[Machine, ...]
    carries: tuple[str, ...]


def topology_of(cluster: Cluster) -> Topology:
    """Read it from the file's model."""
    return Topology(
        endpoint=_endpoint(cluster),
        k3s=cluster.k3s.version,
        servers=tuple(_machine(cluster, node) for node in cluster.servers),
        agents=tuple(_machine(cluster, node) for node in cluster.agents),
        carries=tuple(_carries(cluster)),
    )


def _endpoint(cluster: Cluster) -> str:
    if cluster.k3s.vip is not None:
        return f"virtual IP {cluster.k3s.vip.address}"
    return "the first server that answers" if cluster.is_ha else ""


def _machine(cluster: Cluster, node: Node) -> Machine:
    duties = []
    if cluster.is_ha and node.is_server:
        duties.append("etcd voter")
    if cluster.registry is not None and cluster.registry.node == node.name:
        duties.append("registry")
    duties += [f"disk {disk.device.rpartition('/')[2]}" for disk in node.disks]
    return Machine(node.name, node.address, tuple(duties))


def _carries(cluster: Cluster) -> Sequence[str]:
    found = []
    if cluster.longhorn is not None:
        found.append(f"Longhorn {cluster.longhorn.version}, {cluster.replicas} copies")
    if cluster.opentakserver is not None:
        found.append("OpenTAKServer")
    found += [app.name for app in cluster.apps]
    if cluster.rancher is not None:
        found.append("Rancher")
    return found
