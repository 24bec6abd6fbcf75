"""HTTPS to one server with what Python brings: enough to read, and fast to import.

The official client takes 0.3 s of a core and 25 MB to import, which a run that changes nothing
does not need.
"""

from __future__ import annotations

import json
import select
import ssl
from http.client import HTTPConnection, HTTPException

from picluster.http_answers import Deadline, NotInTime, TooLarge, body_of
from picluster.kube.link import (
    CONNECT_SECONDS,
    LOOPBACK,
    HttpAnswer,
    LinkDown,
    Request,
    silent,
    unconnected,
)

MOST_BYTES = 64 << 20  # bytes of one answer; what a cluster of Pis has to say is far less
CUT = "the connection was cut; is k3s running there?"


class Https:
    """A server's API. Requests may be sent from several threads, each over a connection of its own.

    Connections are kept for the next request. A proxy in the environment is none of ours: it would
    be sent a tunnel's loopback address.
    """

    def __init__(self, host: str, port: int, trust: ssl.SSLContext) -> None:
        self._where = (host, port, trust)
        self._idle: list[_Connection] = []

    def send(self, request: Request) -> HttpAnswer:
        """Send one request, once. Raises `LinkDown` if no complete answer came back."""
        connection = self._connection()
        try:
            answer = connection.exchange(request)
        except ssl.SSLError as error:
            connection.close()
            raise LinkDown(tls_trouble(str(error))) from None
        except (NotInTime, TooLarge) as error:
            connection.close()
            raise LinkDown(str(error)) from None
        except TimeoutError:
            connection.close()
            raise LinkDown(silent(request.timeout)) from None
        # Of lengths that make no sense, http.client raises what the arithmetic does.
        except (HTTPException, OSError, ArithmeticError, ValueError):
            connection.close()
            raise LinkDown(CUT) from None
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that nobody is using; later requests would make new ones."""
        while self._idle:
            self._idle.pop().close()

    def _connection(self) -> _Connection:
        """Return one that is open, and has not been closed by the server meanwhile."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if connection.quiet:
                return connection
            connection.close()
        return _Connection(*self._where)


class _Connection(HTTPConnection):
    """Every K3s certificate names 127.0.0.1, and only this cluster's CA is trusted.

    So the name is the same on every way in.
    """

    def __init__(self, host: str, port: int, trust: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=CONNECT_SECONDS)
        self._trust = trust

    @property
    def quiet(self) -> bool:
        """Whether nothing has come that nobody asked for, such as the end of the connection."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def connect(self) -> None:
        """Connect, and make sure who is there. Raises `LinkDown`, `ssl.SSLError`."""
        try:
            super().connect()
        except TimeoutError:
            raise LinkDown(unconnected()) from None
        except ConnectionRefusedError:
            raise LinkDown("connection refused") from None
        except OSError:
            raise LinkDown("no connection") from None
        try:
            self.sock = self._trust.wrap_socket(self.sock, server_hostname=LOOPBACK)
        except TimeoutError:
            raise LinkDown(unconnected()) from None

    def exchange(self, request: Request) -> HttpAnswer:
        """Send a request and read its whole answer."""
        if self.sock is None:
            self.connect()
        self.sock.settimeout(request.timeout)
        self.response_class = Deadline.after(request.longest).answer  # type: ignore[assignment]
        body = None if request.body is None else json.dumps(request.body).encode()
        self.request(request.method, request.target, body, request.headers)
        response = self.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return HttpAnswer(response.status, body_of(response, MOST_BYTES), headers)


# What OpenSSL says, and what it means here. A Pi has no battery for its clock.
_TLS_TROUBLES = (
    ("not yet valid", "its certificate is not valid yet: compare its clock with this computer's"),
    ("has expired", "its certificate has expired: restart k3s there, or compare the clocks"),
    ("mismatch", f"its certificate is not valid for {LOOPBACK}"),
    ("VERIFY_FAILED", "its certificate is not from this cluster's CA; was K3s installed anew?"),
    ("EOF", CUT),
)


def tls_trouble(reason: str) -> str:
    """Say what a failure of TLS means."""
    for sign, meaning in _TLS_TROUBLES:
        if sign in reason:
            return meaning
    return "the TLS connection failed: " + " ".join(reason.split())
