"""The `ssh` command that reaches a node as picluster does."""

from __future__ import annotations

import shlex
from pathlib import Path

from picluster.model import Cluster
from picluster.model.ssh import NodeSsh


def ssh_command(cluster: Cluster, node: str, known_hosts: Path) -> list[str]:
    """Return the words of the `ssh` command; what the file leaves open, `~/.ssh/config` says.

    Raises `UsageError` if there is no such node.
    """
    wanted = cluster.node(node)
    how = cluster.ssh_for(wanted)
    words = ["ssh", *_trust(how, known_hosts)]
    if how.jump:
        # What `-J` starts is given neither the key nor the file of host keys.
        way = [*words, *_login(how.jump.user, how.jump.port)]
        before, host = shlex.join(way).replace("%", "%%"), shlex.quote(how.jump.host)
        words += ["-o", f"ProxyCommand={before} -W '[%h]:%p' {host}"]
    return [*words, *_login(how.user, how.port), wanted.address]


def _trust(how: NodeSsh, known_hosts: Path) -> list[str]:
    """Have ssh trust the host keys that picluster trusts, and log in with the key it uses.

    A new key is asked about and pinned in the cluster's file, in the clear: `known-hosts forget`
    finds it by the host's name.
    """
    words = [
        f"UserKnownHostsFile={_one_word(known_hosts)} ~/.ssh/known_hosts",
        "StrictHostKeyChecking=ask",
        "HashKnownHosts=no",
    ]
    if how.key:
        words += [f"IdentityFile={_one_word(how.key)}", "IdentitiesOnly=yes"]
    return [part for word in words for part in ("-o", word)]


def _login(user: str | None, port: int | None) -> list[str]:
    return [*(["-l", user] if user else []), *(["-p", str(port)] if port else [])]


def _one_word(path: Path) -> str:
    """Return a path as ssh_config(5) wants it: quoted, and `%` doubled, as it begins a token."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
