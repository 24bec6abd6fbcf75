"""Is the node's network what the file says, and free for Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.facts.routes import Route
from picluster.facts.units import FIREWALLS, KUBERNETES, UNITS
from picluster.model.network import as_ip, as_network
from picluster.steps.k3s.leftovers import (
    OwnNetwork,
    Traces,
    flannels,
    look_routes,
    may_be_flannels,
    named,
    read_traces,
)
from picluster.steps.registry.paths import COLLECTOR, CONTAINER

API_PORT, KUBELET_PORT, ETCD_PORTS = 6443, 10250, (2379, 2380)

_OURS = re.compile(r'"(k3s[^"]*|containerd[^"]*|kubelet)"')


def ports_of(*, is_server: bool, is_ha: bool) -> tuple[int, ...]:
    """Return the TCP ports that K3s listens on for a role."""
    if not is_server:
        return (KUBELET_PORT,)
    return (API_PORT, KUBELET_PORT, *(ETCD_PORTS if is_ha else ()))


@dataclass(frozen=True, slots=True)
class Listening:
    """Lines of `ss` about asked ports; `k3s` runs here, `ours` are ports of our containers."""

    lines: tuple[str, ...] = ()
    k3s: bool = False
    ours: tuple[str, ...] = ()


def _listeners_on(ports: str) -> str:
    """Return shell that prints a line of `ss` for each listener on ports, in its own words."""
    return f"listeners=$(ss -Hltnp {quote(ports)} 2>/dev/null)\n{_each('listens', '$listeners')}"


def _each(key: str, text: str) -> str:
    """Return shell that prints the lines of a text as values of a key."""
    return f"""while IFS= read -r line; do
  [ -z "$line" ] || printf '%s\\n' "{key}=$line"
done <<LINES
{text}
LINES
"""


def _listening(seen: Observation) -> Listening:
    return Listening(seen.every("listens"), seen.flag("k3s"), seen.every("ours"))


@dataclass(frozen=True, slots=True)
class PortsFree:
    """Nobody but K3s listens on the ports that it needs."""

    ports: Sequence[int]
    name: str = "ports"
    title: str = "the ports of K3s are free"

    def probe(self) -> ShellProbe[Listening]:
        """List who listens; K3s itself may be the one."""
        ports = " or ".join(f"sport = :{port}" for port in self.ports)
        return ShellProbe(
            self.name,
            f"{UNITS}for each in k3s k3s-agent; do\n"
            "  unit $each && case $active in active|activating) echo k3s=yes ;; esac\n"
            f"done\n{_listeners_on(f'( {ports} )')}",
            _listening,
        )

    def decide(self, look: Look) -> Decision:
        seen = look.read(self.probe())
        if seen.k3s:
            return Satisfied(detail="K3s runs")
        taken = _listeners([line for line in seen.lines if not _OURS.search(line)])
        if not taken:
            return Satisfied()
        return Blocked(
            f"ports that K3s needs are taken: {', '.join(taken)}",
            "stop that program, or move it to another port",
        )


def _listeners(lines: Sequence[str]) -> list[str]:
    """Return `port (program)` for each listener that `ss` printed, once each."""
    taken = []
    for line in lines:
        local = re.match(r"\S+\s+\S+\s+\S+\s+\S*:(\d+)\s", line)
        if local:
            program = re.search(r'"([^"]+)"', line)
            taken.append(f"{local[1]} ({program[1] if program else 'an unknown program'})")
    return list(dict.fromkeys(taken))


@dataclass(frozen=True, slots=True)
class RegistryPortFree:
    """Nobody but the cluster's own registry listens on its port."""

    port: int
    name: str = "registry-port"
    title: str = "the port of the registry is free"

    def probe(self) -> ShellProbe[Listening]:
        return ShellProbe(
            self.name,
            f"{_listeners_on(f'sport = :{self.port}')}"
            # Whose it is matters only if somebody has it.
            '[ -n "$listeners" ] || return 0\n'
            f"ports=$(docker port {CONTAINER} 2>/dev/null)\n"
            f'[ -n "$ports" ] || ports=$(docker port {COLLECTOR} 2>/dev/null)\n'
            f"{_each('ours', '$ports')}",
            _listening,
        )

    def decide(self, look: Look) -> Decision:
        seen = look.read(self.probe())
        if any(line.endswith(f":{self.port}") for line in seen.ours):
            return Satisfied(detail="the registry runs")
        taken = _listeners(seen.lines)
        if not taken:
            return Satisfied()
        return Blocked(
            f"the port that the registry is to have is taken: {', '.join(taken)}",
            "stop that program (`docker ps` names containers), or set registry.port to another one",
        )


@dataclass(frozen=True, slots=True)
class Wiring:
    """A machine's addresses and routes; `k3s` says that some of them may be Kubernetes' own."""

    traces: Traces
    has_default: bool
    k3s: bool


def read_wiring(seen: Observation) -> Wiring:
    """Read what the probe prints."""
    return Wiring(read_traces(seen), seen.has("default"), seen.flag("k3s"))


@dataclass(frozen=True, slots=True)
class AddressIsItsOwn:
    """The node has the address that the file gives it, and no route collides with the CIDRs.

    Routes that a former K3s left are no collision: the k3s phase removes them.
    """

    address: str
    own: OwnNetwork
    services: str
    name: str = "address"
    title: str = "its address and routes fit"

    def probe(self) -> ShellProbe[Wiring]:
        text = "[ ! -e /var/lib/rancher/k3s/agent ] || echo k3s=yes\n"
        default = 'case "\n$routes\n$routes6" in *"\ndefault "*) echo default=yes ;; esac\n'
        return ShellProbe(self.name, text + look_routes() + default, read_wiring)

    def decide(self, look: Look) -> Decision:
        """Compare as addresses; a host name in the file cannot be compared."""
        seen = look.read(self.probe())
        wanted = as_ip(self.address)
        if wanted and str(wanted) not in seen.traces.addresses:
            return Blocked(
                f"it does not have the address {self.address} that the file gives it",
                "correct nodes[].address; behind NAT, reach it through ssh.jump",
            )
        everyone = [each.traces for each in look.every(self.probe()).values()]
        former = [] if seen.k3s else flannels(seen.traces, self.own, everyone)
        for route in () if seen.k3s else seen.traces.routes:
            collision = None if route in former else self._collision(route)
            if collision is not None:
                return collision
        detail = f"{self.address}; left over from K3s: {named(former)}" if former else self.address
        return Satisfied(detail, warning="" if seen.has_default else _NO_DEFAULT_ROUTE)

    def _collision(self, route: Route) -> Blocked | None:
        pods, services = self.own.pods, self.services
        for cidr, field in ((pods, "k3s.cluster_cidr"), (services, "k3s.service_cidr")):
            if _overlap(route, cidr):
                return Blocked(
                    f"it has a route to {route.to}, which overlaps {cidr}",
                    f"{self._other_origin(route)}choose another {field}",
                )
        return None

    def _other_origin(self, route: Route) -> str:
        """Say what else the route may be: one of flannel's to a machine that nobody knows now."""
        if not may_be_flannels(route, self.own):
            return ""
        return (
            f"if a former K3s left it, `ip route del {route}` on the node, or a reboot; "
            "if it is yours, "
        )


# https://docs.k3s.io/installation/airgap says so; kube-proxy redirects only what has a route.
_NO_DEFAULT_ROUTE = (
    "it has no default route, and pods on it will not reach services; on a network that leads "
    "nowhere, one to the switch's or any address of its own network will do"
)


def _overlap(route: Route, cidr: str) -> bool:
    """Whether the route leads into the network; the default route leads everywhere and nowhere.

    VPNs set it as two halves (0.0.0.0/1 and 128.0.0.0/1), so that the former one stays. What goes
    by an interface of Kubernetes' own is no collision.
    """
    mine = as_network(cidr)
    if mine is None or mine.version != route.to.version:
        return False
    if route.interface.startswith(("cni", "flannel", "kube")):
        return False
    return route.to.prefixlen > 1 and route.to.overlaps(mine)


# https://docs.k3s.io/installation/requirements#inbound-rules-for-k3s-nodes
_TUNNELS = {"vxlan": " and UDP 8472", "wireguard-native": " and UDP 51820 (51821 for IPv6)"}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The units of other Kubernetes and of firewalls that are active."""

    kubernetes: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = ()


def _neighbours(seen: Observation) -> Neighbours:
    # A ufw that is switched off has an active unit all the same.
    off = {"ufw"} if seen.text("ufw", "") == "off" else set()
    walls = seen.every("firewall")
    return Neighbours(seen.every("kubernetes"), tuple(wall for wall in walls if wall not in off))


NEIGHBOURS = ShellProbe(
    "neighbours",
    UNITS
    + shell(
        __package__, "neighbours", KUBERNETES=" ".join(KUBERNETES), FIREWALLS=" ".join(FIREWALLS)
    ),
    _neighbours,
)


@dataclass(frozen=True, slots=True)
class NothingInTheWay:
    """No other Kubernetes runs here; an active firewall is pointed out. `backend` is flannel's."""

    backend: str
    name: str = NEIGHBOURS.name
    title: str = "no other Kubernetes, no firewall"

    def probe(self) -> ShellProbe[Neighbours]:
        return NEIGHBOURS

    def decide(self, look: Look) -> Decision:
        """Refuse a second Kubernetes; warn of a firewall, whose rules may be just right."""
        seen = look.read(NEIGHBOURS)
        if seen.kubernetes:
            return Blocked(
                f"another Kubernetes runs here: {', '.join(seen.kubernetes)}",
                "remove it first, or stop it",
            )
        if seen.firewalls:
            return Satisfied(
                warning=f"the firewall {', '.join(seen.firewalls)} is active: nodes need TCP 6443, "
                f"10250, 2379-2380{_TUNNELS.get(self.backend, '')} between them, and pods their "
                "CIDRs"
            )
        return Satisfied()
