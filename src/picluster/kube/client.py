"""One server's API over one way in: through its SSH connection, or directly over the network."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from picluster.engine.session import Forward, Session
from picluster.kube.https import Https
from picluster.kube.link import LOOPBACK, HttpAnswer, Request, Server
from picluster.once import Once

if TYPE_CHECKING:
    from picluster.kube.official import Official

_DIRECT_PROBE_SECONDS = 1.0


class Link:
    """An open way to one server's API. Requests may be sent from several threads."""

    def __init__(
        self, server: Server, host: str, port: int, trust: ssl.SSLContext, forward: Forward | None
    ) -> None:
        self.server = server
        self.via = "direct" if forward is None else "tunnel"
        self._where = (host, port, trust)
        self._forward = forward
        self._https = Https(*self._where)
        self._official: Once[str, Official] = Once()

    def send(self, request: Request) -> HttpAnswer:
        """Send one request, once. Raises `LinkDown` if no complete answer came back."""
        way = self._official.get("", self._make_official) if request.changes else self._https
        return way.send(request)

    def _make_official(self) -> Official:
        from picluster.kube.official import Official  # noqa: PLC0415 - 0.3 s, for a change only

        return Official(*self._where)

    def close(self) -> None:
        """Close connections and the tunnel; the SSH session stays open, it is not ours."""
        self._https.close()
        for official in self._official.made():
            official.close()
        if self._forward is not None:
            self._forward.close()


def open_link(
    server: Server, session: Callable[[str], Session], trust: ssl.SSLContext, *, direct: bool
) -> Link:
    """Open a link, directly if wanted and the port answers at once, else through the session.

    Raises `NodeError` if there is no session to be had.
    """
    if direct and server.address and _answers(server):
        return Link(server, server.address, server.port, trust, None)
    forward = session(server.node).forward(LOOPBACK, server.port)
    return Link(server, LOOPBACK, forward.port, trust, forward)


def _answers(server: Server) -> bool:
    try:
        with socket.create_connection((server.address, server.port), _DIRECT_PROBE_SECONDS):
            return True
    except OSError:
        return False
