"""The only door to a node. `picluster.ssh` opens it over SSH; tests open it in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

OnOutput: TypeAlias = Callable[[str, bytes], None]
"""Called with `stdout` or `stderr` and the bytes, as they arrive."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a script ended; its output is raw, and may hold secrets."""

    status: int
    out: bytes
    err: bytes


@dataclass(slots=True)
class Traffic:
    """What was spent on the network. Tests assert these counts; nothing else depends on them.

    Every session of a run adds to the same one, from a thread of its own.
    """

    connections: int = 0
    scripts: int = 0
    uploads: int = 0
    forwards: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def reset(self) -> None:
        """Count from nothing: another run begins."""
        with self._lock:
            self.connections = self.scripts = self.uploads = self.forwards = 0
            self.bytes_sent = self.bytes_received = 0

    def add(self, **amounts: int) -> None:
        """Add to what has been spent, by the names of the fields."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)


class Forward(Protocol):
    """A port on this machine's loopback that leads to a port as seen from the node."""

    @property
    def port(self) -> int:
        """The local port, on 127.0.0.1."""

    def close(self) -> None:
        """Stop listening and drop what is connected."""


class Session(Protocol):
    """An authenticated connection to one node, as root.

    Threads share it: while its node is worked on, the run's lock waits on it, and reads of the
    Kubernetes API for other nodes go through it.
    """

    @property
    def node(self) -> str:
        """The node's name in the cluster file."""

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        """Run a POSIX shell script as root, fed over stdin, and return how it ended.

        The script sees an empty stdin, `LC_ALL=C`, umask 022 and a PATH with the sbin directories.
        A non-zero status is returned, not raised. Raises `Unreachable` if the connection is lost
        or `timeout` seconds pass (then the remote process group is ended too), and
        `SudoUnavailable` if becoming root does not work.
        """

    def upload(
        self, source: Path, path: str, *, sha256: str, mode: int, owner: str, timeout: float
    ) -> None:
        """Stream a local file into place atomically, checking its digest on the node first.

        Raises `ActionFailed` if the node cannot store it, `Unreachable` if the connection is lost.
        """

    def forward(self, host: str, port: int) -> Forward:
        """Open a local port that reaches `host:port` from the node, over this connection."""

    def close(self) -> None:
        """Close the connection; closing twice is fine."""


class Connector(Protocol):
    """Opens sessions; the traffic of all of them is counted together."""

    @property
    def traffic(self) -> Traffic:
        """What all sessions have spent so far."""

    def connect(self, node: str) -> Session:
        """Log in to a node by its name in the cluster file. Raises a `NodeError` that says why."""
