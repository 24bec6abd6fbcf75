"""HTTPS between the stand-ins: a client that keeps its connections, and a threading server."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .log import now

_LOCAL = threading.local()


class Answer:
    """An HTTP answer: status, content type and body."""

    def __init__(self, status: int, kind: str, body: bytes) -> None:
        self.status, self.kind, self.body = status, kind, body

    def json(self) -> Any:
        """Return the body as data; what is no JSON becomes `{"message": text}`."""
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            return {"message": self.body.decode("utf-8", "replace")}


def trusting(ca: Path | None) -> ssl.SSLContext:
    """Return a context that trusts one CA (or, for the first look at a cluster, anything)."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(ca))
    return context


def go_dial_error(url: str, problem: Exception) -> str:
    """Say that a connection failed, in the words of Go's standard library."""
    target = urlsplit(url)
    where = f"{target.hostname}:{target.port or 443}"
    known = {
        111: "connect: connection refused",
        113: "connect: no route to host",
        101: "connect: network is unreachable",
    }
    number = getattr(problem, "errno", None) or 0
    if isinstance(problem, ssl.SSLCertVerificationError):
        text = problem.verify_message
        why = "x509: certificate signed by unknown authority"
        if "expired" in text or "not yet valid" in text:
            # As Go's crypto/x509 has it; of the certificate's own date, Python tells nothing.
            order = "before its first" if "not yet valid" in text else "after its last"
            why = "x509: certificate has expired or is not yet valid: "
            why += f"current time {now()} is {order} day"
        return f"tls: failed to verify certificate: {why}"
    if isinstance(problem, TimeoutError):
        return f"dial tcp {where}: i/o timeout"
    return f"dial tcp {where}: {known.get(number, problem)}"


class Client:
    """Speaks to one or more servers of a cluster; every thread has its own connections."""

    def __init__(self, context: ssl.SSLContext, headers: Mapping[str, str] | None = None) -> None:
        self.context = context
        self.headers = dict(headers or {})

    def call(
        self,
        method: str,
        url: str,
        body: bytes | object = None,
        *,
        timeout: float = 5.0,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request. Raises `OSError` or `http.client.HTTPException` if it fails."""
        target = urlsplit(url)
        path = url.split(target.netloc, 1)[1] or "/"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **self.headers, **(headers or {})}
        pool: dict[Any, http.client.HTTPSConnection] = _LOCAL.__dict__.setdefault("pool", {})
        key = (id(self), target.netloc)
        link = pool.pop(key, None)
        for attempt in (link, None):
            if attempt is None:
                fresh = True
                host = target.hostname or ""
                link = http.client.HTTPSConnection(
                    host, target.port or 443, timeout=timeout, context=self.context
                )
            else:
                fresh, link = False, attempt
                if link.sock is not None:
                    link.sock.settimeout(timeout)
            try:
                link.request(method, path, body=data, headers=sent)
                answer = link.getresponse()
                found = Answer(answer.status, answer.getheader("Content-Type", ""), answer.read())
            except TimeoutError:
                link.close()
                raise
            except (OSError, http.client.HTTPException):
                link.close()
                if fresh:
                    raise
                continue
            if not answer.will_close:
                pool[key] = link
            return found
        raise ConnectionError("unreachable")


class Server(ThreadingHTTPServer):
    """Serves HTTPS; the handshake happens in the thread of the connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext
    ) -> None:
        self.tls = tls
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without looking names up; `::` serves IPv4 as well."""
        if self.address_family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept, and leave the handshake to the handler's thread."""
        accepted, peer = self.socket.accept()
        wrapped = self.tls.wrap_socket(
            accepted, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        return wrapped, peer

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then serve the connection."""
        try:
            request.settimeout(10)
            request.do_handshake()
            request.settimeout(None)
        except OSError:
            return
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may hang up at any time; that is no news."""


def listen(
    host: str, port: int, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext
) -> Server:
    """Start serving in a background thread. Raises `OSError` if the port is taken."""
    server = Server((host, port), handler, tls)
    threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
    return server


def serving(cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """Return a context to serve with; client certificates are welcome, not required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(cert), str(key))
    if client_ca is not None:
        context.load_verify_locations(str(client_ca))
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
