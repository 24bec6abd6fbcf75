"""Host keys: trusted when they are pinned, pinned at first contact if somebody agrees to that.

Pins are kept in the cluster's own known_hosts file; the user's and the system's are honoured too.
A key that differs from a pinned one, or that a file revokes, is never accepted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.errors import HostKeyChanged, HostKeyUnknown
from picluster.local_files import write_private
from picluster.ssh.keys import fingerprint
from picluster.ssh.known_hosts import AUTHORITY, REVOKED, Entry, KnownHosts, host_entry, read

if TYPE_CHECKING:
    import paramiko

Agree = Callable[[str, str, str], bool]
"""Asked at first contact with node, key type and fingerprint; says whether to trust and pin it."""

USERS_FILES = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


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
    key is judged at a time, so that nobody is asked twice. `users_files` are asked besides the
    cluster's own file, unless a caller knows which the user's configuration names.
    """

    own_file: Path
    agree: Agree = refuse_new
    users_files: Sequence[Path] | None = None
    _turn: threading.RLock = field(default_factory=threading.RLock)
    _read: dict[tuple[Path, ...], KnownHosts] = field(default_factory=dict)

    def pinned(self, host: str, port: int, files: Sequence[Path] = ()) -> list[Entry]:
        """Return the pins of a host; the cluster's own file comes first."""
        with self._turn:
            return self._known(files).of(host_entry(host, port))

    def check(
        self, node: str, host: str, port: int, key: paramiko.PKey, files: Sequence[Path] = ()
    ) -> None:
        """Accept the key if it is pinned, or if it is new and agreed to, which pins it.

        Raises `HostKeyChanged`, also for a revoked key, or `HostKeyUnknown`.
        """
        blob, entry = key.asbytes(), host_entry(host, port)
        where = f"{node} ({entry})"
        with self._turn:
            known = self._known(files)
            for revoked in known.of(entry, REVOKED):
                if revoked.blob == blob:
                    raise _revoked(where, revoked)
            pinned = known.of(entry)
            if any(each.blob == blob for each in pinned):
                return
            if pinned:
                raise self._changed(node, entry, key, pinned)
            agreed = self.agree(node, key.get_name(), fingerprint(blob))
            if agreed:
                self._pin(entry, key)
        if not agreed:
            raise _unknown(where, key, known, entry)

    def forget(self, host: str, port: int) -> bool:
        """Remove a host's pins from the cluster's own file; return whether there were any."""
        with self._turn:
            if not self.own_file.exists():
                return False
            entry = host_entry(host, port)
            lines = self.own_file.read_text().splitlines(keepends=True)
            kept = [line for line in lines if line.partition(" ")[0] != entry]
            self._read.clear()
            if len(kept) == len(lines):
                return False
            write_private(self.own_file, "".join(kept))
            return True

    def _known(self, files: Sequence[Path]) -> KnownHosts:
        theirs = self.users_files if self.users_files is not None else files or USERS_FILES
        paths = (self.own_file, *(path.expanduser() for path in theirs))
        if paths not in self._read:
            self._read[paths] = read(*paths)
        return self._read[paths]

    def _pin(self, entry: str, key: paramiko.PKey) -> None:
        """Append one line: rewriting the file would race with other runs."""
        self.own_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.own_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{entry} {key.get_name()} {key.get_base64()}\n")
        self._read.clear()

    def _changed(
        self, node: str, entry: str, key: paramiko.PKey, pinned: Sequence[Entry]
    ) -> HostKeyChanged:
        expected = next((each for each in pinned if each.kind == key.get_name()), pinned[0])
        holder = pinned[0].file
        clear = (
            f"picluster known-hosts forget {node}"
            if holder == self.own_file
            else f"ssh-keygen -f {holder} -R '{entry}'"
        )
        return HostKeyChanged(
            "its host key is not the one that is pinned",
            where=f"{node} ({entry})",
            why=f"expected {fingerprint(expected.blob)} (in {holder}), it presents "
            f"{fingerprint(key.asbytes())}: the card was re-flashed, or somebody is in the middle",
            fix=f"if you re-flashed it: `picluster node replace {node}` lets it take its place; "
            f"if it was never in the cluster: `{clear}`, then run again",
        )


def _revoked(where: str, entry: Entry) -> HostKeyChanged:
    return HostKeyChanged(
        "its host key is revoked",
        where=where,
        why=f"{entry.at} revokes {fingerprint(entry.blob)}, which it presents: whoever has that "
        "key can pass for it",
        fix="make new host keys on it (`rm /etc/ssh/ssh_host_*; ssh-keygen -A`), or take the "
        "line out if it is wrong",
    )


def _unknown(where: str, key: paramiko.PKey, known: KnownHosts, entry: str) -> HostKeyUnknown:
    presented = f"the {key.get_name()} key {fingerprint(key.asbytes())}"
    why = f"it presents {presented}, and nobody has agreed to trust it"
    authorities = known.of(entry, AUTHORITY)
    if authorities:
        why += (
            f"; {authorities[0].at} trusts a certificate authority for it, and certificates of "
            "hosts are not supported here"
        )
    if known.skipped:
        why += f"; {', '.join(known.skipped[:3])} cannot be read and was skipped"
    return HostKeyUnknown(
        "its host key is not known yet",
        where=where,
        why=why,
        fix="compare the fingerprint with the node's (`ssh-keygen -lf "
        "/etc/ssh/ssh_host_ed25519_key.pub` on it), then run again with "
        "--accept-new-host-keys",
    )
