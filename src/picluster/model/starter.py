"""A first cluster file, with comments, for the nodes that somebody has. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.errors import UsageError
from picluster.model.k3s import DEFAULT_VERSION

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_ENOUGH_FOR_HA = 3


@dataclass(frozen=True, slots=True)
class NewNode:
    """A machine by its name and address."""

    name: str
    address: str


def parse_node(text: str, number: int) -> NewNode:
    """Read `NAME=ADDRESS`, or an address alone, which gets a name by its number.

    Raises `UsageError` if there is nothing on one side of the sign.
    """
    name, sign, address = text.partition("=")
    if not sign:
        return NewNode(f"pi{number}", name)
    if not name or not address:
        raise UsageError(f"--node {text}: one side is empty", fix="write --node pi1=10.0.0.11")
    return NewNode(name, address)


def suggested_servers(nodes: int) -> int:
    """Return how many of the nodes should be servers: three can lose one, two cannot."""
    return _ENOUGH_FOR_HA if nodes >= _ENOUGH_FOR_HA else 1


def starter(
    name: str, nodes: Sequence[NewNode], servers: int, *, user: str = "", key: str = ""
) -> str:
    """Return the text of a cluster file; the first nodes are the servers.

    Whether the values are any good is for the loader to say, which knows line and column.
    """
    lines = [
        "# What should be true of the cluster. `picluster plan` shows what differs from it, and",
        "# `picluster up` makes it so; run it as often as you like.",
        "# `picluster explain` lists every setting there is.",
        f"name: {_text(name)}",
        "#domain: lan                 # makes pi1.lan of pi1",
        *_ssh(user, key),
        "nodes:",
        *(_node(node, "server" if at < servers else "agent") for at, node in enumerate(nodes)),
        "k3s:",
        f"  version: {DEFAULT_VERSION}",
        "  #vip: {address: 10.0.0.100}  # an address for the API that moves to a server that lives",
        "#registry:                   # an image registry of the cluster's own",
        f"#  node: {nodes[-1].name}",
        "#prepare: {timezone: Europe/Berlin}",
    ]
    return "\n".join(lines) + "\n"


def _ssh(user: str, key: str) -> list[str]:
    given = [f"{word}: {_text(value)}" for word, value in (("user", user), ("key", key)) if value]
    if given:
        return [f"ssh: {{{', '.join(given)}}}"]
    return ["#ssh: {user: pi, key: ~/.ssh/id_ed25519}   # otherwise as ~/.ssh/config says"]


def _node(node: NewNode, role: str) -> str:
    return f"  - {{name: {_text(node.name)}, address: {_text(node.address)}, role: {role}}}"


def _text(value: str) -> str:
    """Quote what YAML could read as something else; a number-like name is a text."""
    if _PLAIN.fullmatch(value) and not value[0].isdigit() and value.lower() not in _WORDS:
        return value
    return "'" + value.replace("'", "''") + "'"


_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
