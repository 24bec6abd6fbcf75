"""The preflight phase: refuses nodes that cannot become what the file says. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.model import Cluster, Node
from picluster.steps.k3s.leftovers import own_network
from picluster.steps.preflight.cgroups import CgroupsFit
from picluster.steps.preflight.clock import Clock
from picluster.steps.preflight.identity import HostNames, OwnIdentity
from picluster.steps.preflight.machine import FreeDisk, Memory, MemoryCgroupKnown, OperatingSystem
from picluster.steps.preflight.member_address import AddressStays
from picluster.steps.preflight.network import (
    AddressIsItsOwn,
    NothingInTheWay,
    PortsFree,
    RegistryPortFree,
    ports_of,
)
from picluster.steps.preflight.root import RootKept


def address_stays(cluster: Cluster, node: Node) -> list[Step]:
    """Return what refuses a server whose address is not the one that its cluster knows it by."""
    if not node.is_server:
        return []
    wanted = cluster.k3s_for(node).node_ip or node.address
    return [AddressStays(node.name, wanted, alone=not cluster.is_ha)]


def nothing_more(cluster: Cluster, node: Node) -> list[Step]:
    """Return no further checks."""
    return []


def preflight(
    cluster: Cluster, further: Callable[[Cluster, Node], list[Step]] = address_stays
) -> Phase:
    """Build the phase: one look at each node, and nothing but refusals and warnings after it.

    `further` are the checks that not every operation needs: one that makes the cluster's membership
    anew does not mind the former addresses.
    """
    return Phase(
        "preflight",
        "every node is fit for its part",
        (
            Stage(
                "checks",
                {
                    node.name: [*_checks(cluster, node), *further(cluster, node)]
                    for node in cluster.nodes
                },
                independent=True,
            ),
        ),
    )


def _checks(cluster: Cluster, node: Node) -> list[Step]:
    prepare = cluster.prepare_for(node)
    ports = ports_of(is_server=node.is_server, is_ha=cluster.is_ha)
    return [
        OperatingSystem(),
        RootKept(),
        Memory(node.is_server),
        FreeDisk(),
        CgroupsFit(cluster.k3s.version, _takes_version_1(cluster)),
        Clock(),
        OwnIdentity(),
        HostNames(will_be_set=prepare.set_hostname),
        AddressIsItsOwn(
            cluster.k3s_for(node).node_ip or node.address,
            own_network(cluster),
            cluster.k3s.service_cidr,
        ),
        PortsFree(ports),
        *_registry_port(cluster, node),
        MemoryCgroupKnown(),
        NothingInTheWay(cluster.k3s.flannel_backend),
    ]


def _takes_version_1(cluster: Cluster) -> bool:
    return str(cluster.k3s.kubelet_args.get("fail-cgroupv1")).lower() == "false"


def _registry_port(cluster: Cluster, node: Node) -> list[Step]:
    registry = cluster.registry
    if registry is None or registry.node != node.name:
        return []
    return [RegistryPortFree(registry.port)]
