"""How nodes are reached: user, port, key, jump host, and the secrets that go with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

from picluster.model.linux import UserName
from picluster.model.network import address, bracketed
from picluster.model.paths import LocalPath
from picluster.model.refusal import refuse
from picluster.model.scalars import Port
from picluster.model.secret_ref import SecretReference
from picluster.model.section import Section

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.model.secret_ref import SecretRef

_JUMP = re.compile(
    r"(?:(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,31})@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class JumpHost:
    """The machine to go through; what is None is left to `~/.ssh/config` and SSH's own defaults."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{user}{bracketed(self.host)}{port}"


@dataclass(frozen=True)
class NodeSsh:
    """How one node is reached: its own settings where it has them, else the cluster's.

    What is None is left to `~/.ssh/config` and SSH's own defaults.
    """

    user: str | None
    port: int | None
    key: Path | None
    jump: JumpHost | None
    password: SecretRef | None
    sudo_password: SecretRef | None


def parse_jump(text: str) -> JumpHost:
    """Read `[user@]host[:port]`; raises a refusal for anything else."""
    match = _JUMP.fullmatch(text)
    if match is None or int(match["port"] or 1) > _HIGHEST_PORT:
        raise refuse(
            "is not a jump host",
            "write [user@]host[:port]; a password does not belong here",
            unseen="@" in text and ":" in text.rpartition("@")[0],
        )
    host = address(match["host"].strip("[]"))
    return JumpHost(host, match["user"], int(match["port"]) if match["port"] else None)


def _read_jump(value: object) -> JumpHost:
    if isinstance(value, JumpHost):
        return value
    return parse_jump(value if isinstance(value, str) else "")


def _jump_schema(_source: object, _handler: object) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        _read_jump,
        json_schema_input_schema=core_schema.str_schema(min_length=1),
        serialization=core_schema.to_string_ser_schema(),
    )


Jump = Annotated[JumpHost, GetPydanticSchema(_jump_schema)]


class Ssh(Section):
    """How every node is reached, unless the node says otherwise."""

    user: UserName | None = None
    """User to log in as, who may use sudo; ~/.ssh/config decides if left out."""
    port: Port | None = None
    """TCP port of the SSH server; ~/.ssh/config decides, else 22."""
    key: LocalPath | None = None
    """Private key file; if left out, the SSH agent and the usual keys are tried."""
    jump: Jump | None = None
    """Machine to go through on the way to the nodes: [user@]host[:port]."""
    password: SecretReference | None = None
    """Where the login password is, for nodes that have no key installed yet."""
    sudo_password: SecretReference | None = None
    """Where the password for sudo is, on nodes whose sudo asks for one."""


class SshOverride(Ssh):
    """How this node is reached, where it differs from the other nodes."""

    inherits: ClassVar[str | None] = "ssh"
