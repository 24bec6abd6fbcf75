"""What K3s makes of a running machine and leaves there: networks, processes, mounts.

A reboot clears all of it. What has a name that only K3s, its kubelet and network plugins give is
K3s's. Routes have no name, so they are judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shared, shell
from picluster.engine.step import Change, Decision, Risk, Run, Satisfied
from picluster.engine.survey import Look
from picluster.facts.routes import Route, read_route
from picluster.model import Cluster
from picluster.model.network import as_ip, as_network
from picluster.steps.k3s import paths
from picluster.steps.k3s.nodes import seen_nodes

LEFTOVERS = "k3s-leftovers"

_SECONDS = 300.0
_TUNNELS = "flannel"  # what the interfaces of flannel's other backends begin with


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """The cluster's own network, as the file says: its pods' network, its nodes, its VIP or ""."""

    pods: str
    nodes: frozenset[str]
    vip: str = ""


def own_network(cluster: Cluster) -> OwnNetwork:
    """Return what tells the cluster's routes from others; names of nodes say nothing here."""
    given = [node.address for node in cluster.nodes]
    given += [str(cluster.k3s_for(node).node_ip) for node in cluster.nodes]
    return OwnNetwork(
        pods=cluster.k3s.cluster_cidr,
        nodes=frozenset(str(ip) for each in given if (ip := as_ip(each)) is not None),
        vip=cluster.k3s.vip.address if cluster.k3s.vip else "",
    )


@dataclass(frozen=True, slots=True)
class Traces:
    """What a look at a machine found: what is left by name, and what routes are judged by.

    `noted` are the pods' networks that flannel itself noted since the machine booted, `addresses`
    the machine's own. `in_use` names K3s, or another Kubernetes, that is installed or runs; then
    nothing is listed as left.
    """

    left: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    noted: tuple[str, ...] = ()
    addresses: frozenset[str] = frozenset()
    in_use: str = ""


def read_traces(seen: Observation) -> Traces:
    """Read what the scripts below print."""
    return Traces(
        left=seen.every("left"),
        routes=tuple(route for line in seen.every("route") if (route := read_route(line))),
        noted=seen.every("flannel"),
        addresses=frozenset(seen.every("address")),
        in_use=seen.text("in_use", ""),
    )


def flannels(seen: Traces, own: OwnNetwork, others: Iterable[Traces] = ()) -> list[Route]:
    """Return the routes that flannel's host-gw set, and nobody else can have.

    They lead from the node's own interface through another node to a part of the pods' network,
    and name no protocol (flannel-io/flannel pkg/backend/hostgw, route_network.go; flannel removes
    none when it ends: k3s-io/k3s#2808). What flannel noted to be its network is nobody else's to
    set routes into, whatever the gateway. `others` are the looks at the other nodes.
    """
    gateways = own.nodes.union(*(each.addresses for each in (seen, *others)))
    return [
        route
        for route in seen.routes
        if _like_flannels(route)
        and (
            any(_is_part(route, network) for network in seen.noted)
            or (_is_part(route, own.pods) and str(route.gateway) in gateways)
        )
    ]


def may_be_flannels(route: Route, own: OwnNetwork) -> bool:
    """Whether flannel may have set the route, though the machine that it leads to is unknown."""
    return _like_flannels(route) and _is_part(route, own.pods)


def _like_flannels(route: Route) -> bool:
    """Whether it is through another machine, and not by the interface of another backend."""
    through = route.gateway is not None and not route.interface.startswith(_TUNNELS)
    return through and not route.protocol


def _is_part(route: Route, network: str) -> bool:
    """Whether the route leads into the network, and not into all of it or beyond."""
    whole = as_network(network)
    if whole is None or whole.version != route.to.version:
        return False
    return route.to.prefixlen > whole.prefixlen and route.to.overlaps(whole)


# ------------------------------------------------------------------ looking and clearing


def look_routes() -> str:
    """Return shell that lists addresses and routes, and which are flannel's to judge by."""
    return shared(__package__, "routes") + shell(__package__, "look_for_routes")


def look_text(own: OwnNetwork, *first: str) -> str:
    """Return shell that lists what is left; `first` are scripts that may end the look."""
    parts = (*first, "leftovers", "look_for_leftovers")
    return look_routes() + shell(__package__, *parts, **_values(own))


def clear_text(own: OwnNetwork, routes: Iterable[Route]) -> str:
    """Return shell that removes what is left, and these routes."""
    parts = ("leftovers", "clear_leftovers", "remove_routes")
    return shell(__package__, *parts, ROUTES=_listed(routes), **_values(own))


def _values(own: OwnNetwork) -> Mapping[str, str]:
    return {"DATA_DIR": paths.DATA_DIR, "SYS": "/sys", "VIP": own.vip}


def _listed(routes: Iterable[Route]) -> str:
    return "\n".join(f"{route.to} {route.gateway} {route.interface}" for route in routes)


def named(things: Iterable[object], most: int = 3) -> str:
    """Name the first few things, and how many more there are."""
    every = [str(each) for each in things]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def as_reason(left: Iterable[str], routes: Iterable[Route]) -> str:
    """Say what there is: `there are the route to 10.42.1.0/24 via 10.0.0.2 dev eth0, ...`."""
    things = [*(f"the route to {route}" for route in routes), *left]
    return f"there {'are' if len(things) > 1 else 'is'} {named(things)}"


@dataclass(frozen=True, slots=True)
class Cleared:
    """Nothing of a K3s that is gone is at work on the machine, and no way to a node that is gone.

    Where K3s is installed, only routes are looked at: flannel removes one when its node leaves the
    cluster, but not what left while it did not run (flannel-io/flannel#2554).
    """

    own: OwnNetwork
    name: str = LEFTOVERS
    title: str = "nothing is left of a K3s or of a node that is gone"

    def probe(self) -> ShellProbe[Traces]:
        """List what is left; where it may be in use, only routes."""
        return ShellProbe(LEFTOVERS, look_text(self.own, "stop_if_in_use"), read_traces)

    def decide(self, look: Look) -> Decision:
        """Want nothing left of a former K3s, and of a present one no route to a former node."""
        seen = look.read(self.probe())
        everyone = list(look.every(self.probe()).values())
        routes = flannels(seen, self.own, everyone)
        if seen.in_use.startswith("k3s"):
            return self._without(self._stale(look, routes, everyone))
        if seen.in_use or not (routes or seen.left):
            return Satisfied()
        return Change(
            "clear what a former K3s left on the running machine",
            (Run(clear_text(self.own, routes), timeout=_SECONDS),),
            reason=f"K3s is not installed, and {as_reason(seen.left, routes)}",
            risk=Risk.RESTART if seen.left else Risk.NONE,
        )

    def _stale(self, look: Look, routes: list[Route], everyone: list[Traces]) -> list[Route]:
        """Return the routes to nodes that are neither in the cluster nor in the file.

        A node of the file may be joining: the cluster was asked before it had.
        """
        members = list((seen_nodes(look) or {}).values())
        if not members:
            return []
        pods = {cidr for node in members for cidr in node.pod_cidrs}
        known = self.own.nodes.union(
            *(each.addresses for each in everyone), *(node.addresses.values() for node in members)
        )
        return [
            route
            for route in routes
            if str(route.to) not in pods and str(route.gateway) not in known
        ]

    def _without(self, stale: list[Route]) -> Decision:
        if not stale:
            return Satisfied()
        return Change(
            f"remove the route to {named(stale)}",
            (Run(shell(__package__, "remove_routes", ROUTES=_listed(stale))),),
            reason="no node has these pods: one left the cluster while K3s did not run here",
        )
