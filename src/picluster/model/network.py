"""Addresses, networks and URLs."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator

from picluster.model.names import is_dns_name
from picluster.model.refusal import refuse

_URL = re.compile(
    r"https?://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[1-9][0-9]{0,4})?"
    r"(/[A-Za-z0-9_.~%+/-]*)?"
)


def as_ip(text: str | None) -> IPv4Address | IPv6Address | None:
    """Return the address that `text` is, or None when it is a name (or nothing)."""
    try:
        return ip_address(text) if text else None
    except ValueError:
        return None


def as_network(text: str | None) -> IPv4Network | IPv6Network | None:
    """Return the network that `text` is, or None."""
    try:
        return ip_network(text) if text else None
    except ValueError:
        return None


def is_local(name: str) -> bool:
    """Whether only multicast DNS knows a name (RFC 6762)."""
    return name.endswith(".local")


def address(value: str) -> str:
    """Check and normalise an IPv4 or IPv6 address, or a host name (made lower-case)."""
    if as_ip(value) is not None:
        return ip(value)
    name = value.lower().removesuffix(".")
    if not is_dns_name(name):
        raise refuse(
            "is neither an IP address nor a host name", "write 10.0.0.11, fd00::11 or pi1.local"
        )
    return name


def ip(value: str) -> str:
    """Check and normalise an IP address of a machine."""
    found = as_ip(value)
    if found is None:
        raise refuse("is not an IP address", "write an address such as 10.0.0.11 or fd00::11")
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        raise refuse("is only valid on one interface", "leave out the part from % on")
    if found.is_multicast or found.is_unspecified:
        raise refuse("is not the address of one machine", "write the node's own address")
    return str(found)


def network(value: str) -> str:
    """Check a network in CIDR notation, with no bit set beyond the prefix."""
    if as_network(value) is None or "/" not in value:
        try:
            loose = ip_network(value, strict=False)
        except ValueError:
            raise refuse("is not a network", "write it as 10.42.0.0/16") from None
        raise refuse("is an address rather than a network", f"write {loose}")
    return str(as_network(value))


def url(value: str) -> str:
    """Check an http or https URL without credentials or a query; a trailing slash is dropped."""
    match = _URL.fullmatch(value)
    if match is None or not _is_host(match["host"].strip("[]").lower()):
        raise refuse(
            "is not a plain http or https URL",
            "write https://host[:port]/path without user, password, spaces or '?'",
            unseen="@" in value,
        )
    return value.rstrip("/")


def bracketed(host: str) -> str:
    """Return `host` as it is written before a port: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def _is_host(text: str) -> bool:
    return as_ip(text) is not None or is_dns_name(text)


Address = Annotated[str, AfterValidator(address)]
IpAddress = Annotated[str, AfterValidator(ip)]
Network = Annotated[str, AfterValidator(network)]
Url = Annotated[str, AfterValidator(url)]
