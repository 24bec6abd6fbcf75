"""What known_hosts files say, as sshd(8) describes them: markers, patterns, hashes and ports."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

REVOKED = "@revoked"
AUTHORITY = "@cert-authority"
_DEFAULT_PORT = 22
_HASHED = "|1|"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a known_hosts file; `marker` is empty for a plain key."""

    file: Path
    line: int
    marker: str
    hosts: str
    kind: str
    blob: bytes

    @property
    def at(self) -> str:
        """Say where it stands."""
        return f"line {self.line} of {self.file}"

    def names(self, host: str) -> bool:
        """Whether the line is about a host, as `host_entry` writes it."""
        found = False
        for pattern in self.hosts.lower().split(","):
            if _matches(pattern.removeprefix("!"), host.lower(), self.hosts):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """The lines of some files, in order; `skipped` says which of them could not be read."""

    entries: tuple[Entry, ...] = ()
    skipped: tuple[str, ...] = ()

    def of(self, host: str, marker: str = "") -> list[Entry]:
        """Return the lines with a marker, or without one, that are about a host."""
        return [each for each in self.entries if each.marker == marker and each.names(host)]


def host_entry(host: str, port: int) -> str:
    """Return how known_hosts writes a host at a port."""
    return host if port == _DEFAULT_PORT else f"[{host}]:{port}"


def read(*files: Path) -> KnownHosts:
    """Read the files that there are. A line that makes no sense is skipped, as OpenSSH does."""
    entries, skipped = [], []
    for file in files:
        for number, line in _lines(file):
            entry = _entry(file, number, line)
            if entry is None:
                skipped.append(f"line {number} of {file}")
            else:
                entries.append(entry)
    return KnownHosts(tuple(entries), tuple(skipped))


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _entry(file: Path, number: int, line: str) -> Entry | None:
    words = line.split()
    marker = words.pop(0) if words[0].startswith("@") else ""
    if marker not in ("", REVOKED, AUTHORITY):
        return None
    try:
        hosts, kind, text = words[:3]
        blob = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    # A key says of which kind it is; one that says another than the line was mangled.
    if blob[4 : 4 + len(kind)] != kind.encode():
        return None
    return Entry(file, number, marker, hosts, kind, blob)


def _matches(pattern: str, host: str, written: str) -> bool:
    if written.startswith(_HASHED):  # as it stands: base64 is not the same in small letters
        return _is_hash_of(written, host)
    # `[` and `]` are no ranges here, but the brackets of a host with a port.
    return fnmatchcase(host, pattern.replace("[", "[[]"))


def _is_hash_of(written: str, host: str) -> bool:
    salt, _, digest = written.removeprefix(_HASHED).partition("|")
    try:
        key, wanted = base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(key, host.encode(), hashlib.sha1).digest(), wanted)
