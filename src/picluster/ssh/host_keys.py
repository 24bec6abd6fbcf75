"""Host keys: trusted when they are pinned, pinned at first contact if somebody agrees to that.

Pins are kept in the cluster's own known_hosts file; the user's and the system's are honoured too.
A key that differs from a pinned one is never accepted.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.errors import HostKeyChanged, HostKeyUnknown
from picluster.local_files import write_private

if TYPE_CHECKING:
    import paramiko

Agree = Callable[[str, str, str], bool]
"""Asked at first contact with node, key type and fingerprint; says whether to trust and pin it."""

_DEFAULT_PORT = 22
_USERS_FILES = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


def host_entry(host: str, port: int) -> str:
    """Return how known_hosts writes a host at a port."""
    return host if port == _DEFAULT_PORT else f"[{host}]:{port}"


def fingerprint(key: paramiko.PKey) -> str:
    """Return the key's SHA-256 fingerprint as `ssh-keygen -l` prints it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def refuse_new(node: str, kind: str, print_: str) -> bool:
    """Trust nobody new."""
    return False


def accept_new(node: str, kind: str, print_: str) -> bool:
    """Trust whoever answers at first contact."""
    return True


@dataclass(slots=True)
class HostKeys:
    """The pinned host keys of a cluster.

    Nodes are connected to in parallel, and a jump host's key is met by each of their threads: one
    key is judged at a time, so that nobody is asked twice.
    """

    own_file: Path
    agree: Agree = refuse_new
    users_files: Sequence[Path] = _USERS_FILES
    _turn: threading.RLock = field(default_factory=threading.RLock)
    _loaded: list[tuple[Path, paramiko.HostKeys]] | None = None

    def pinned(self, host: str, port: int) -> dict[str, paramiko.PKey]:
        """Return the keys pinned for a host, by key type; the cluster's own file comes first."""
        entry = host_entry(host, port)
        found: dict[str, paramiko.PKey] = {}
        with self._turn:
            for _, keys in self._files():
                for kind, key in (keys.lookup(entry) or {}).items():
                    found.setdefault(kind, key)
        return found

    def check(self, node: str, host: str, port: int, key: paramiko.PKey) -> None:
        """Accept the key if it is pinned, or if it is new and agreed to, which pins it.

        Raises `HostKeyChanged` or `HostKeyUnknown`.
        """
        kind, print_ = key.get_name(), fingerprint(key)
        with self._turn:
            pinned = self.pinned(host, port)
            if any(known == key for known in pinned.values()):
                return
            if pinned:
                raise self._changed(node, host, port, key, pinned)
            agreed = self.agree(node, kind, print_)
            if agreed:
                self._pin(host_entry(host, port), key)
        if not agreed:
            raise HostKeyUnknown(
                "its host key is not known yet",
                where=f"{node} ({host})",
                why=f"it presents the {kind} key {print_}, and nobody has agreed to trust it",
                fix="compare the fingerprint with the node's (`ssh-keygen -lf "
                "/etc/ssh/ssh_host_ed25519_key.pub` on it), then run again with "
                "--accept-new-host-keys",
            )

    def forget(self, host: str, port: int) -> bool:
        """Remove a host's pins from the cluster's own file; return whether there were any."""
        with self._turn:
            if not self.own_file.exists():
                return False
            entry = host_entry(host, port)
            lines = self.own_file.read_text().splitlines(keepends=True)
            kept = [line for line in lines if line.split(" ", 1)[0] != entry]
            self._loaded = None
            if len(kept) == len(lines):
                return False
            write_private(self.own_file, "".join(kept))
            return True

    def _files(self) -> list[tuple[Path, paramiko.HostKeys]]:
        import paramiko  # noqa: PLC0415 - 0.1 s that only a connection needs

        if self._loaded is None:
            self._loaded = []
            for path in (self.own_file, *(file.expanduser() for file in self.users_files)):
                keys = paramiko.HostKeys()
                if path.is_file():
                    keys.load(str(path))
                self._loaded.append((path, keys))
        return self._loaded

    def _pin(self, entry: str, key: paramiko.PKey) -> None:
        """Append one line: rewriting the file would race with other runs."""
        self.own_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.own_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{entry} {key.get_name()} {key.get_base64()}\n")
        if self._loaded:
            self._loaded[0][1].add(entry, key.get_name(), key)

    def _changed(
        self,
        node: str,
        host: str,
        port: int,
        key: paramiko.PKey,
        pinned: dict[str, paramiko.PKey],
    ) -> HostKeyChanged:
        entry = host_entry(host, port)
        expected = pinned.get(key.get_name()) or next(iter(pinned.values()))
        holder = next((path for path, keys in self._files() if keys.lookup(entry)), self.own_file)
        clear = (
            f"picluster known-hosts forget {node}"
            if holder == self.own_file
            else f"ssh-keygen -f {holder} -R '{entry}'"
        )
        return HostKeyChanged(
            "its host key is not the one that is pinned",
            where=f"{node} ({host})",
            why=f"expected {fingerprint(expected)} (in {holder}), it presents {fingerprint(key)}: "
            "the card was re-flashed, or somebody is in the middle",
            fix=f"if you re-flashed it: `picluster node replace {node}` lets it take its place; "
            f"if it was never in the cluster: `{clear}`, then run again",
        )
