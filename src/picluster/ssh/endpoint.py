"""How one node is reached, as plain settings; what is None is left to `~/.ssh/config`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from picluster.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from picluster.model import Cluster, Node
    from picluster.model.secret_ref import SecretRef
    from picluster.model.ssh import JumpHost
    from picluster.secret import Secret


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One node's address and how to log in to it; `connect_timeout` in seconds.

    `password` is only asked for where no key is let in, or sudo asks.
    """

    node: str
    host: str
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    jump: JumpHost | None = None
    password: Callable[[], Secret] | None = None
    sudo_password: Secret | None = None
    connect_timeout: float = 15.0

    def __str__(self) -> str:
        return self.node if self.node == self.host else f"{self.node} ({self.host})"


def endpoints_of(cluster: Cluster, ask: Callable[[str], str]) -> dict[str, Endpoint]:
    """Return the endpoint of every node, by name.

    `ask` is put the question for each secret that the file wants prompted for, once per reference.
    Raises `ConfigInvalid` if a sudo password that the file refers to cannot be had; so does asking
    for a login password.
    """
    fetched: Once[str, Secret] = Once()

    def fetch(reference: SecretRef, label: str) -> Secret:
        return fetched.get(str(reference), lambda: reference.resolve(label=label, ask=ask))

    return {node.name: _endpoint(cluster, node, fetch) for node in cluster.nodes}


def _endpoint(cluster: Cluster, node: Node, fetch: Callable[[SecretRef, str], Secret]) -> Endpoint:
    ssh = cluster.ssh_for(node)
    login, sudo = ssh.password, ssh.sudo_password
    return Endpoint(
        node=node.name,
        host=node.address,
        port=ssh.port,
        user=ssh.user,
        key=ssh.key,
        jump=ssh.jump,
        password=partial(fetch, login, "password of the nodes") if login else None,
        sudo_password=fetch(sudo, "sudo password of the nodes") if sudo else None,
        connect_timeout=cluster.limits.connect,
    )
