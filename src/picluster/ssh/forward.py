"""A port on this machine's loopback that leads, through a connection, to one a node can reach."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paramiko

_CHUNK = 64 * 1024
_OPEN_SECONDS = 10.0
_IDLE_SECONDS = 60.0


class LocalForward:
    """Listens on 127.0.0.1 and joins every connection to a channel. Implements `Forward`."""

    def __init__(self, transport: paramiko.Transport, host: str, port: int) -> None:
        self._transport = transport
        self._target = (host, port)
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="picluster-forward", daemon=True).start()

    @property
    def port(self) -> int:
        """The local port."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Stop listening and drop what is connected."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for local in list(self._pairs):
            with contextlib.suppress(OSError):
                local.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                local, origin = self._listener.accept()
            except OSError:
                return
            local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(
                target=self._join, args=(local, origin), name="picluster-forward", daemon=True
            ).start()

    def _join(self, local: socket.socket, origin: tuple[str, int]) -> None:
        """Carry bytes both ways until either end closes."""
        import paramiko  # noqa: PLC0415 - loaded long before, by the connection

        self._pairs.add(local)
        try:
            if self._closed.is_set():  # `close` may have come before it could see this pair
                return
            channel = self._transport.open_channel(
                "direct-tcpip", self._target, origin, timeout=_OPEN_SECONDS
            )
            with contextlib.closing(channel):
                _carry(local, channel)
        except (OSError, EOFError, paramiko.SSHException):
            pass  # the local client sees its connection closed, which is what happened
        finally:
            self._pairs.discard(local)
            local.close()


def _carry(local: socket.socket, channel: paramiko.Channel) -> None:
    ends: tuple[Any, Any] = (local, channel)
    while True:
        readable, _, _ = select.select(ends, (), (), _IDLE_SECONDS)
        if local in readable:
            data = local.recv(_CHUNK)
            if not data:
                return
            channel.sendall(data)
        if channel in readable:
            data = channel.recv(_CHUNK)
            if not data:
                return
            local.sendall(data)
