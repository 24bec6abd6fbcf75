"""Channels of an SSH transport without a network: a shell of this machine, or a node that floods.

They answer as `paramiko.Channel` does, in what `picluster.ssh.session` asks of it.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
from dataclasses import dataclass, field
from typing import Any

from picluster.engine.session import Traffic
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.session import SshSession


class ShellChannel:
    """Runs the command here, under a login shell that says `greeting` (shell text) first."""

    def __init__(self, greeting: str = "") -> None:
        self.greeting = greeting
        self.closed = False
        self.status_event = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[int, bytes] = {}
        self._ended: set[int] = set()

    def settimeout(self, seconds: float) -> None:
        """Take the time that a send may last; nothing here takes any."""

    def exec_command(self, command: str) -> None:
        """Start the command, as sshd does: with the login's shell. The next one begins anew."""
        self.closed, self._waiting, self._ended = False, {}, set()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            ["sh", "-c", f"{self.greeting}\n{command}"], stdin=pipe, stdout=pipe, stderr=pipe
        )

    def send(self, data: bytes) -> int:
        """Write to the command's stdin."""
        return os.write(self._file("stdin"), data)

    def recv_ready(self) -> bool:
        """Whether stdout has anything."""
        return self._ready(self._file("stdout"))

    def recv_stderr_ready(self) -> bool:
        """Whether stderr has anything."""
        return self._ready(self._file("stderr"))

    def recv(self, _: int) -> bytes:
        """Return what stdout has."""
        return self._waiting.pop(self._file("stdout"))

    def recv_stderr(self, _: int) -> bytes:
        """Return what stderr has."""
        return self._waiting.pop(self._file("stderr"))

    @property
    def eof_received(self) -> bool:
        """Whether both streams are over."""
        return len(self._ended) == len(("stdout", "stderr"))

    def exit_status_ready(self) -> bool:
        """Whether the command is over."""
        assert self._process is not None
        return self._process.poll() is not None

    def recv_exit_status(self) -> int:
        """Return how the command ended."""
        assert self._process is not None
        return self._process.wait()

    def fileno(self) -> int:
        """Return what to wait on."""
        return self._file("stdout")

    def hang_up(self) -> None:
        """Lose the connection: what runs is ended by the end of its stdin."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def close(self) -> None:
        """End the command, by the end of its stdin."""
        self.closed = True
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                assert pipe is not None
                pipe.close()
            self._process.wait(10)

    def _file(self, stream: str) -> int:
        return int(getattr(self._process, stream).fileno())

    def _ready(self, number: int) -> bool:
        if number not in self._waiting and select.select([number], [], [], 0)[0]:
            if data := os.read(number, 65536):
                self._waiting[number] = data
            else:
                self._ended.add(number)
        return number in self._waiting


@dataclass
class FloodingChannel(ShellChannel):
    """A node that never stops printing `block`; it fails the test that reads it `most` times."""

    block: bytes
    most: int
    reads: int = 0
    sent: bytes = b""
    closed: bool = False
    eof_received: bool = False  # type: ignore[misc]

    def exec_command(self, command: str) -> None:
        """Start to print."""

    def send(self, data: bytes) -> int:
        """Note what is sent."""
        self.sent += data
        return len(data)

    def recv_ready(self) -> bool:
        """There is always more."""
        return True

    def recv_stderr_ready(self) -> bool:
        """All of it is on stdout."""
        return False

    def recv(self, _: int) -> bytes:
        """Return one block more."""
        self.reads += 1
        assert self.reads < self.most, "it is read for ever"
        return self.block

    def exit_status_ready(self) -> bool:
        """It never ends."""
        return False

    def close(self) -> None:
        """Hang up."""
        self.closed = True


@dataclass
class OneChannel:
    """A transport whose every channel is the same one."""

    channel: ShellChannel
    opened: list[float] = field(default_factory=list)

    def open_session(self, timeout: float) -> ShellChannel:
        """Open it."""
        self.opened.append(timeout)
        return self.channel


def session_over(channel: ShellChannel, user: str = "root") -> SshSession:
    """Return a session with `pi1` that talks to this channel."""
    transport: Any = OneChannel(channel)
    return SshSession(Endpoint("pi1", "10.0.0.1"), user, transport, None, Traffic())
