"""How the nodes reach the internet, where that is not directly."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from picluster.model.names import is_dns_name
from picluster.model.network import Url, as_ip, as_network
from picluster.model.refusal import refuse
from picluster.model.section import Section


def _direct(value: str) -> str:
    text = value.lower()
    bare = text.removeprefix("*").removeprefix(".")
    if as_ip(text) or ("/" in text and as_network(text)) or is_dns_name(bare):
        return text.removeprefix("*")
    raise refuse(
        "is no host, domain or network", "write pi.lan, .lan, 192.168.1.5 or 192.168.0.0/16"
    )


class Proxy(Section):
    """The proxy that nodes use: K3s and its containerd, apt, Docker and what it builds."""

    http: Url | None = None
    """Proxy for http:// addresses, such as http://proxy.lan:3128."""
    https: Url | None = None
    """Proxy for https:// addresses; k3s, apt and Docker need it for images."""
    no_proxy: tuple[Annotated[str, AfterValidator(_direct)], ...] = ()
    """Hosts, domains (.lan) and networks that are reached directly; the cluster's own nodes,
    networks and domains always are.
    """
