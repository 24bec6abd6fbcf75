"""The routes of a machine, as `ip route` prints them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise

from picluster.model.network import as_ip, as_network


@dataclass(frozen=True, slots=True)
class Route:
    """A route to a network, through another machine (`gateway`) or directly.

    `protocol` says who set it, such as `kernel` or `dhcp`. It is empty for one that a program or
    an `ip route add` set without saying so, which `ip` calls `boot` and does not print.
    """

    to: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address | None = None
    interface: str = ""
    protocol: str = ""

    def __str__(self) -> str:
        via = f" via {self.gateway}" if self.gateway else ""
        return f"{self.to}{via} dev {self.interface}"


def read_route(line: str) -> Route | None:
    """Read one line; None for the default route, and for what leads nowhere (`unreachable`)."""
    words = line.split()
    to = as_network(words[0]) if words else None
    if to is None:
        return None
    said = dict(pairwise(words))
    return Route(to, as_ip(said.get("via")), said.get("dev", ""), said.get("proto", ""))
