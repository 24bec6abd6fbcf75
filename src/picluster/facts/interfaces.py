"""A machine's network interfaces, and the addresses that others can reach it at."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from picluster.engine.probe import Observation, ShellProbe
from picluster.model.network import as_ip

# What containers make, and what moves between machines: no way of the machine's own.
_MADE = ("lo", "cni", "flannel", "veth", "docker", "br-", "kube", "cali", "tailscale", "wg")
_FIELDS = 4
_WHOLE = {4: "32", 6: "128"}


@dataclass(frozen=True, slots=True)
class Interfaces:
    """Pairs of an interface and an address of it, in the order of `ip addr`."""

    addresses: tuple[tuple[str, IPv4Address | IPv6Address], ...] = ()

    def carrying(self, address: str | None) -> str | None:
        """Return the interface that has an address; None if none has."""
        wanted = as_ip(address)
        return next((name for name, ip in self.addresses if ip == wanted), None)

    def several(self, version: int) -> bool:
        """Whether more than one of them has an address of that version of IP."""
        return len({name for name, ip in self.addresses if ip.version == version}) > 1


def read_interfaces(seen: Observation) -> Interfaces:
    """Read `ip -o addr`: a number, the interface, the family, and the address with its prefix.

    An address of its own network alone is one that moves, such as a VIP.
    """
    found = []
    for line in seen.lines:
        words = line.split()
        if len(words) < _FIELDS or words[1].startswith(_MADE):
            continue
        text, _, prefix = words[3].partition("/")
        ip = as_ip(text)
        if ip is not None and prefix != _WHOLE[ip.version]:
            found.append((words[1].partition("@")[0], ip))
    return Interfaces(tuple(found))


INTERFACES = ShellProbe(
    "interfaces", "ip -o addr show scope global 2>/dev/null || true", read_interfaces
)
