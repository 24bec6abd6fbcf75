"""What the user's own `~/.ssh/config` says of a host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in on a host, and with which private key; empty where nothing says so."""

    user: str = ""
    key: str = ""


def login_of(host: str, path: Path | None = None) -> Login:
    """Return what is configured for a host, in `path` or else in `~/.ssh/config`.

    A file that is not there or cannot be understood says nothing here; connecting tells of that.
    """
    import paramiko  # noqa: PLC0415 - 0.1 s, which `init` from options need not wait for

    path = path or Path.home() / ".ssh" / "config"
    try:
        found = paramiko.SSHConfig.from_path(str(path)).lookup(host)
    except (OSError, ValueError, paramiko.SSHException):
        return Login()
    keys = found.get("identityfile") or [""]
    return Login(found.get("user", ""), keys[0])
