"""The machine that the stand-in runs on: its paths, address, cgroups, passwords and systemd."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from .config import Options
from .log import fatal
from .store import write_atomically

ROOT = Path(os.environ.get("STANDIN_ROOT", "/"))
PEER_PORT = 2380
NO_MEMORY_CGROUP = (
    'failed to find memory cgroup, you may need to add "cgroup_memory=1 cgroup_enable=memory" to '
    "your linux cmdline (/boot/cmdline.txt on a Raspberry Pi)"
)


def at(path: str) -> Path:
    """Return a path of the node, which in unit tests is a directory."""
    return ROOT / path.lstrip("/")


def data(options: Options) -> Path:
    """Return K3s's data directory."""
    return at(options.text("data-dir", "/var/lib/rancher/k3s"))


def check_cgroups() -> None:
    """Refuse to start without the memory cgroup."""
    v1, v2 = (
        own if (own := at(path)).exists() else Path(path)
        for path in ("/proc/cgroups", "/sys/fs/cgroup/cgroup.controllers")
    )
    rows = [line.split() for line in v1.read_text().splitlines()] if v1.exists() else []
    old = any(row[0] == "memory" and row[-1] == "1" for row in rows if row)
    if not old and not (v2.exists() and "memory" in v2.read_text().split()):
        fatal(NO_MEMORY_CGROUP)


def node_name(options: Options) -> str:
    """Return the node's name."""
    name = options.text("node-name") or os.environ.get("STANDIN_HOSTNAME") or socket.gethostname()
    return name.lower()


def node_ip(options: Options) -> str:
    """Return the node's address: the one given, or that of the interface of the default route."""
    found = options.text("node-ip") or os.environ.get("STANDIN_IP", "") or _outgoing_ip()
    if not found:
        fatal('no default routes found in "/proc/net/route" or "/proc/net/ipv6_route"')
    return found


def _outgoing_ip() -> str:
    for family, outside in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((outside, 6443))  # a datagram socket sends nothing here
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return ""


def machine_id() -> str:
    """Return what systemd calls this machine; empty where it has not been given a name yet."""
    path = at("/etc/machine-id")
    return path.read_text().strip() if path.exists() else ""


def password() -> str:
    """Return the password by which the cluster knows this node again; made at the first start."""
    path = at("/etc/rancher/node/password")
    if not path.exists():
        write_atomically(path, secrets.token_hex(16) + "\n")
    return path.read_text().strip()


def token(options: Options) -> str:
    """Return the token that was given, in the options, the environment or a file."""
    given = options.text("token") or os.environ.get("K3S_TOKEN", "")
    name = options.text("token-file") or os.environ.get("K3S_TOKEN_FILE", "")
    if not given and name:
        path = at(name)
        if not path.exists():
            fatal(f"open {name}: no such file or directory")
        given = path.read_text()
    return given.strip()


def notify(state: str) -> None:
    """Tell systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), address)
