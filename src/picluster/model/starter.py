"""A first cluster file, with comments, for the nodes that somebody has. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from picluster.errors import UsageError
from picluster.model.k3s import DEFAULT_VERSION
from picluster.model.load import parse

DEFAULT_NAME = "home"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_ENOUGH_FOR_HA = 3


@dataclass(frozen=True, slots=True)
class NewNode:
    """A machine by its name and address."""

    name: str
    address: str


# Of the addresses that are kept for documentation (RFC 5737): nothing is ever sent there.
_ANY_NODE = NewNode("pi1", "192.0.2.1")


def parse_node(text: str, number: int) -> NewNode:
    """Read `NAME=ADDRESS`, or an address alone, which gets a name by its number.

    Raises `UsageError` if there is nothing on one side of the sign.
    """
    name, sign, address = text.partition("=")
    if not sign:
        return NewNode(f"pi{number}", name)
    if not name or not address:
        raise UsageError(f"{text}: one side is empty", fix="write it as pi1=10.0.0.11")
    return NewNode(name, address)


def suggested_servers(nodes: int) -> int:
    """Return how many of the nodes should be servers: three can lose one, two cannot."""
    return _ENOUGH_FOR_HA if nodes >= _ENOUGH_FOR_HA else 1


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a new cluster; `servers` is how many there are, None if as suggested."""

    name: str = ""
    nodes: tuple[NewNode, ...] = ()
    servers: int | None = None
    user: str = ""
    key: str = ""


def starter(draft: Draft) -> str:
    """Return the text of a cluster file; the first nodes are the servers.

    Whether the values are any good is for the loader to say, which knows line and column. Raises
    `UsageError` if there are fewer nodes than servers.
    """
    nodes = draft.nodes
    servers = suggested_servers(len(nodes)) if draft.servers is None else draft.servers
    if not 1 <= servers <= len(nodes):
        raise UsageError(
            f"{servers} of {len(nodes)} nodes cannot be servers", fix="give --servers 1, 3 or 5"
        )
    lines = [
        "# What should be true of the cluster. `picluster plan` shows what differs from it, and",
        "# `picluster up` makes it so; run it as often as you like.",
        "# `picluster explain` lists every setting there is.",
        f"name: {_text(draft.name or DEFAULT_NAME)}",
        "#domain: lan                 # makes pi1.lan of pi1",
        *_ssh(draft.user, draft.key),
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


def try_out(draft: Draft) -> None:
    """Have the loader judge a draft; of one that has no nodes yet, the rest.

    Raises `ClusterFileInvalid`, and `UsageError` if there are fewer nodes than servers.
    """
    parse(starter(draft if draft.nodes else replace(draft, nodes=(_ANY_NODE,))))


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
