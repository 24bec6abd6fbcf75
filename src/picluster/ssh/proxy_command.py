"""A program that stands in for a connection (ProxyCommand); imported only where there is one."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import socket
import subprocess

import paramiko

_LAST_WORDS = 300
_END_SECONDS = 1.0


class ProxyCommand(paramiko.ProxyCommand):
    """Runs the command by the user's shell, as OpenSSH does; host and user in it are checked names.

    Paramiko's own reads on for ever once the program has ended.
    """

    def __init__(self, command: str) -> None:
        shell = os.environ.get("SHELL") or "/bin/sh"
        super().__init__(shlex.join([shell, "-c", f"exec {command}"]))

    def recv(self, size: int) -> bytes:
        """Return what there is; nothing once the program has ended."""
        out = self.process.stdout
        assert out is not None  # noqa: S101 - it is a pipe
        ready, _, _ = select.select([out], [], [], self.timeout)
        if not ready:
            raise socket.timeout  # noqa: UP041 - what Paramiko expects
        return os.read(out.fileno(), size)

    def close(self) -> None:
        """End the program, if it has not ended."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_SECONDS)

    @property
    def last_words(self) -> str:
        """What it said last on standard error, if it has ended."""
        if self.process.poll() is None or self.process.stderr is None:
            return ""
        said: bytes = self.process.stderr.read()
        return said.decode("utf-8", "replace").strip().split("\n")[-1][:_LAST_WORDS]
