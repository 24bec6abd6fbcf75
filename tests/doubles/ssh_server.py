"""A stand-in for sshd on loopback: it has a host key, lets some keys in, and hears all others.

It runs nothing: a test learns from it who was let in, which keys were offered, and from where.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import paramiko

MAX_AUTH_TRIES = 6
"""What sshd_config(5) has as MaxAuthTries if nothing else is said."""


@dataclass
class SshServer:
    """`allowed` are public keys as bytes; `offered` is filled with every key that is tried.

    `closed` is what pam_nologin says while nobody is let in: sshd tells it once a key would do, and
    hangs up; here it is told at the first greeting.
    """

    host_key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)
    allowed: set[bytes] = field(default_factory=set)
    password: str = ""
    closed: str = ""
    tries: int = MAX_AUTH_TRIES
    offered: list[bytes] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    forwarded: list[tuple[str, int]] = field(default_factory=list)
    transports: list[paramiko.Transport] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.daemon = True
            self.transports.append(transport)
            transport.add_server_key(self.host_key)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(server=_Door(self, transport))


@contextlib.contextmanager
def running(server: SshServer) -> Iterator[SshServer]:
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join(5)


class _Door(paramiko.ServerInterface):
    def __init__(self, server: SshServer, transport: paramiko.Transport) -> None:
        self.server = server
        self.transport = transport
        self.failures = 0

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password" if self.server.password else "publickey"

    def get_banner(self) -> tuple[str | None, str | None]:
        return (self.server.closed or None, "en-US")

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.server.offered.append(key.asbytes())
        if self.server.closed:
            self.transport.close()
            return paramiko.AUTH_FAILED
        if key.asbytes() in self.server.allowed:
            self.server.users.append(username)
            return paramiko.AUTH_SUCCESSFUL
        return self._failed()

    def check_auth_password(self, username: str, password: str) -> int:
        if self.server.password and password == self.server.password:
            self.server.users.append(username)
            return paramiko.AUTH_SUCCESSFUL
        return self._failed()

    def _failed(self) -> int:
        """Hang up as sshd does after so many failures."""
        self.failures += 1
        if self.failures >= self.server.tries:
            self.transport.close()
        return paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self.server.forwarded.append(destination)
        threading.Thread(target=self._join, args=(chanid, destination), daemon=True).start()
        return paramiko.OPEN_SUCCEEDED

    def _join(self, chanid: int, destination: tuple[str, int]) -> None:
        channel = self.transport.accept(5)
        if channel is None:
            return
        with contextlib.suppress(OSError, EOFError):
            onward = socket.create_connection(destination, timeout=5)
            back = threading.Thread(target=_carry, args=(onward, channel), daemon=True)
            back.start()
            _carry(channel, onward)


def _carry(
    source: socket.socket | paramiko.Channel, sink: socket.socket | paramiko.Channel
) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := source.recv(65536):
            sink.sendall(data)
