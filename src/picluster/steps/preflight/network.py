"""Is the node's network what the file says, and free for Kubernetes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Decision, Satisfied, Script
from picluster.engine.survey import Look
from picluster.steps.registry.paths import COLLECTOR, CONTAINER

API_PORT, KUBELET_PORT, ETCD_PORTS = 6443, 10250, (2379, 2380)

_OURS = re.compile(r'"(k3s[^"]*|containerd[^"]*|kubelet)"')


def ports_of(*, is_server: bool, is_ha: bool) -> tuple[int, ...]:
    """Return the TCP ports that K3s listens on for a role."""
    if not is_server:
        return (KUBELET_PORT,)
    return (API_PORT, KUBELET_PORT, *(ETCD_PORTS if is_ha else ()))


@dataclass(frozen=True, slots=True)
class PortsFree:
    """Nobody but K3s listens on the ports that it needs."""

    ports: Sequence[int]
    name: str = "ports"
    title: str = "the ports of K3s are free"

    def probe(self) -> Script:
        """List who listens; K3s itself may be the one."""
        ports = " or ".join(f"sport = :{port}" for port in self.ports)
        return Script(
            "for unit in k3s k3s-agent; do\n"
            '  case "$(systemctl is-active $unit)" in active|activating) echo k3s=yes ;; esac\n'
            "done\n"
            f"ss -Hltnp {quote(f'( {ports} )')} 2>/dev/null | sed 's/^/listens=/'"
        )

    def decide(self, look: Look) -> Decision:
        """Refuse ports that another program holds."""
        if "k3s=yes" in look.own.lines:
            return Satisfied(detail="K3s runs")
        taken = _listeners([line for line in look.own.lines if not _OURS.search(line)])
        if not taken:
            return Satisfied()
        return Blocked(
            f"ports that K3s needs are taken: {', '.join(taken)}",
            "stop that program, or move it to another port",
        )


def _listeners(lines: Sequence[str]) -> list[str]:
    """Return `port (program)` for each listener that a probe printed, once each."""
    taken = []
    for line in lines:
        local = re.match(r"listens=\S+\s+\S+\s+\S+\s+\S*:(\d+)\s", line)
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

    def probe(self) -> Script:
        """List who listens, and the ports that our containers have."""
        return Script(
            f"for name in {CONTAINER} {COLLECTOR}; do\n"
            "  docker port $name 2>/dev/null | sed 's/^/ours=/'\n"
            "done\n"
            f"ss -Hltnp {quote(f'sport = :{self.port}')} 2>/dev/null | sed 's/^/listens=/'"
        )

    def decide(self, look: Look) -> Decision:
        """Refuse a port that another program holds, another registry among them."""
        lines = look.own.lines
        if any(line.startswith("ours=") and line.endswith(f":{self.port}") for line in lines):
            return Satisfied(detail="the registry runs")
        taken = _listeners(lines)
        if not taken:
            return Satisfied()
        return Blocked(
            f"the port that the registry is to have is taken: {', '.join(taken)}",
            "stop that program (`docker ps` names containers), or set registry.port to another one",
        )


@dataclass(frozen=True, slots=True)
class AddressIsItsOwn:
    """The node has the address that the file gives it, and no route collides with the CIDRs."""

    address: str
    cidrs: Sequence[str]
    name: str = "address"
    title: str = "its address and routes fit"

    def probe(self) -> Script:
        """List addresses, the default routes, and all that are not Kubernetes' own.

        Those of a node that has K3s may be: some of flannel's backends use the node's interface.
        """
        return Script(
            "ip -o addr show | awk '{print \"address=\" $4}' | cut -d/ -f1\n"
            "ip -o route show default | awk '{print \"default=\" $3}'\n"
            "ip -o -6 route show default | awk '{print \"default=\" $3}'\n"
            "[ ! -e /var/lib/rancher/k3s/agent ] || exit 0\n"
            "for family in -4 -6; do\n"
            "  ip -o $family route show | grep -vE 'dev (cni|flannel|kube)' "
            "| awk '{print \"route=\" $1}'\n"
            "done"
        )

    def decide(self, look: Look) -> Decision:
        """Compare as addresses; a host name in the file cannot be compared."""
        lines = look.own.lines
        own = {line.removeprefix("address=") for line in lines if line.startswith("address=")}
        wanted = _address(self.address)
        if wanted and str(wanted) not in own:
            return Blocked(
                f"it does not have the address {self.address} that the file gives it",
                "correct nodes[].address; behind NAT, reach it through ssh.jump",
            )
        routes = [line.removeprefix("route=") for line in lines if line.startswith("route=")]
        for cidr in self.cidrs:
            for route in routes:
                if _overlap(route, cidr):
                    return Blocked(
                        f"it has a route to {route}, which overlaps {cidr}",
                        "choose other k3s.cluster_cidr and k3s.service_cidr",
                    )
        if "default" not in look.own.facts:
            return Satisfied(detail=self.address, warning=_NO_DEFAULT_ROUTE)
        return Satisfied(detail=self.address)


# https://docs.k3s.io/installation/airgap says so; kube-proxy redirects only what has a route.
_NO_DEFAULT_ROUTE = (
    "it has no default route, and pods on it will not reach services; on a network that leads "
    "nowhere, one to the switch's or any address of its own network will do"
)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _overlap(route: str, cidr: str) -> bool:
    """Whether the route leads into the network; the default route leads everywhere and nowhere."""
    try:
        there, mine = ipaddress.ip_network(route), ipaddress.ip_network(cidr)
    except ValueError:
        return False
    return there.version == mine.version and there.prefixlen > 0 and there.overlaps(mine)


@dataclass(frozen=True, slots=True)
class NothingInTheWay:
    """No other Kubernetes runs here; an active firewall is pointed out."""

    name: str = "neighbours"
    title: str = "no other Kubernetes, no firewall"

    def probe(self) -> Script:
        """Ask systemd about what would get in the way."""
        return Script(
            "for unit in kubelet snap.microk8s.daemon-kubelite k0scontroller k0sworker "
            "rke2-server rke2-agent; do\n"
            '  [ "$(systemctl is-active $unit)" != active ] || echo "kubernetes=$unit"\n'
            "done\n"
            "for unit in ufw firewalld nftables; do\n"
            '  [ "$(systemctl is-active $unit)" != active ] || echo "firewall=$unit"\n'
            "done\n"
            "! grep -qs '^ENABLED=no' /etc/ufw/ufw.conf || echo ufw=off"
        )

    def decide(self, look: Look) -> Decision:
        """Refuse a second Kubernetes; warn of a firewall, whose rules may be just right."""
        lines = look.own.lines
        others = [line.removeprefix("kubernetes=") for line in lines if line[:11] == "kubernetes="]
        if others:
            return Blocked(
                f"another Kubernetes runs here: {', '.join(others)}", "remove it first, or stop it"
            )
        walls = [line.removeprefix("firewall=") for line in lines if line.startswith("firewall=")]
        if "ufw=off" in lines:
            walls = [wall for wall in walls if wall != "ufw"]
        if walls:
            return Satisfied(
                warning=f"the firewall {', '.join(walls)} is active: nodes need TCP 6443, 10250, "
                "2379-2380 and UDP 8472 between them, and pods their CIDRs"
            )
        return Satisfied()
