"""How one node is reached, as plain settings; what is None is left to `~/.ssh/config`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from picluster.model import Cluster, Node
from picluster.model.secret_ref import SecretRef
from picluster.model.ssh import JumpHost
from picluster.secret import Secret


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One node's address and how to log in to it; `connect_timeout` in seconds."""

    node: str
    host: str
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    jump: JumpHost | None = None
    password: Secret | None = None
    sudo_password: Secret | None = None
    connect_timeout: float = 15.0

    def __str__(self) -> str:
        return self.node if self.node == self.host else f"{self.node} ({self.host})"


def endpoints_of(cluster: Cluster, ask: Callable[[str], str]) -> dict[str, Endpoint]:
    """Return the endpoint of every node, by name.

    `ask` is put the question for each secret that the file wants prompted for, once per reference.
    Raises `ConfigInvalid` if a secret that the file refers to cannot be had.
    """
    answers: dict[str, Secret] = {}

    def secret(reference: SecretRef | None, label: str) -> Secret | None:
        if reference is None:
            return None
        if str(reference) not in answers:
            answers[str(reference)] = reference.resolve(label=label, ask=ask)
        return answers[str(reference)]

    return {node.name: _endpoint(cluster, node, secret) for node in cluster.nodes}


def _endpoint(
    cluster: Cluster, node: Node, secret: Callable[[SecretRef | None, str], Secret | None]
) -> Endpoint:
    ssh = cluster.ssh_for(node)
    return Endpoint(
        node=node.name,
        host=node.address,
        port=ssh.port,
        user=ssh.user,
        key=ssh.key,
        jump=ssh.jump,
        password=secret(ssh.password, "password of the nodes"),
        sudo_password=secret(ssh.sudo_password, "sudo password of the nodes"),
        connect_timeout=cluster.limits.connect,
    )
