"""The only door to a node. `picluster.ssh` opens it over SSH; tests open it in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from picluster.engine.events import Emit, Event, Exchanged

OnOutput: TypeAlias = Callable[[str, bytes], None]
"""Called with `stdout` or `stderr` and the bytes, as they arrive."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a script ended; its output is raw, and may hold secrets."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Its output, with U+FFFD for what is no UTF-8."""
        return self.out.decode("utf-8", "replace")

    @property
    def errors(self) -> str:
        """What it printed on standard error, without blanks around it."""
        return self.err.decode("utf-8", "replace").strip()

    @property
    def last_words(self) -> str:
        """The last line of its errors, or how it ended."""
        return (self.errors.splitlines() or [f"it ended with status {self.status}"])[-1]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a script cost its node: processes and threads that began there, and seconds of CPU.

    The former are all of the node's while the script ran, the latter those of the script alone.
    """

    forks: int = 0
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class Traffic:
    """What a run has spent, in all and by node. Tests assert these counts.

    Every session adds to its node's, from a thread of its own, and with that to the whole's.
    """

    connections: int = 0
    scripts: int = 0
    uploads: int = 0
    forwards: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    forks: int = 0
    cpu_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _nodes: dict[str, Traffic] = field(default_factory=dict, repr=False, compare=False)
    _whole: Traffic | None = field(default=None, repr=False, compare=False)
    _emit: Emit | None = field(default=None, repr=False, compare=False)

    def reset(self, emit: Emit | None = None) -> None:
        """Count from nothing: another run begins, and `emit` is told of each exchange."""
        with self._lock:
            self._emit = emit
            for each in (self, *self._nodes.values()):
                each.connections = each.scripts = each.uploads = each.forwards = each.forks = 0
                each.bytes_sent = each.bytes_received = 0
                each.cpu_seconds = 0.0

    def of(self, node: str) -> Traffic:
        """Return a node's part of it."""
        with self._lock:
            return self._nodes.setdefault(node, Traffic(_whole=self))

    def add(self, **amounts: float) -> None:
        """Add to what has been spent, by the names of the fields."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)
        if self._whole is not None:
            self._whole.add(**amounts)

    def tell(self, event: Event) -> None:
        """Tell whoever follows the run."""
        told = self._whole._emit if self._whole is not None else self._emit
        if told is not None:
            told(event)


@dataclass(slots=True)
class Exchange:
    """One script or file on its way, counted as it goes, and told of when it is over."""

    node: str
    kind: str
    traffic: Traffic
    began: float = field(default_factory=time.monotonic)
    bytes_sent: int = 0
    bytes_received: int = 0

    def sent(self, amount: int) -> None:
        """Count bytes on their way there."""
        self.bytes_sent += amount
        self.traffic.add(bytes_sent=amount)

    def over(self, received: int, cost: Cost) -> None:
        """Count the rest of it, and tell."""
        self.traffic.add(bytes_received=received, forks=cost.forks, cpu_seconds=cost.cpu_seconds)
        self.traffic.tell(
            Exchanged(
                target=self.node,
                kind=self.kind,
                seconds=time.monotonic() - self.began,
                bytes_sent=self.bytes_sent,
                bytes_received=received,
                forks=cost.forks,
                cpu_seconds=cost.cpu_seconds,
            )
        )


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
