"""One server's API over one way in: through its SSH connection, or directly over the network.

This module alone imports the `kubernetes` client, and takes 0.4 s to import because of it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
)

from picluster.engine.session import Forward, Session
from picluster.kube.link import HttpAnswer, LinkDown, Request, Server

CONNECT_SECONDS = 5.0
_DIRECT_PROBE_SECONDS = 1.0
_LOOPBACK = "127.0.0.1"
_CUT = "the connection was cut; is k3s running there?"


class Link:
    """An open way to one server's API. Requests may be sent from several threads."""

    def __init__(self, server: Server, via: str, client: ApiClient, forward: Forward | None):
        self.server = server
        self.via = via
        self.client = client
        self._forward = forward
        self._rest: Any = client.rest_client

    def send(self, request: Request) -> HttpAnswer:
        """Send one request, once. Raises `LinkDown` if no complete answer came back."""
        url = self.client.configuration.host + request.path
        if request.query:
            url += "?" + urlencode(request.query)
        headers = {"Accept": "application/json, */*", "User-Agent": "picluster"}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        try:
            response = self._rest.request(
                request.method,
                url,
                headers=headers,
                body=request.body,
                _request_timeout=(CONNECT_SECONDS, request.timeout),
            )
            return _answer(response)
        except ApiException as error:
            if not error.status:
                raise LinkDown(_tls_trouble(str(error.reason))) from None
            return _refusal(error)
        except (HTTPError, OSError) as error:
            raise LinkDown(_plainly(error, request.timeout)) from None

    def close(self) -> None:
        """Close connections and the tunnel; the SSH session stays open, it is not ours."""
        self._rest.pool_manager.clear()
        if self._forward is not None:
            self._forward.close()


def open_link(
    server: Server, session: Callable[[str], Session], trust: ssl.SSLContext, *, direct: bool
) -> Link:
    """Open a link, directly if wanted and the port answers at once, else through the session.

    Raises `NodeError` if there is no session to be had.
    """
    if direct and server.address and _answers(server):
        return Link(server, "direct", _client(server.address, server.port, trust), None)
    forward = session(server.node).forward(_LOOPBACK, server.port)
    return Link(server, "tunnel", _client(_LOOPBACK, forward.port, trust), forward)


def _client(host: str, port: int, trust: ssl.SSLContext) -> ApiClient:
    literal = f"[{host}]" if ":" in host else host
    configuration = Configuration(host=f"https://{literal}:{port}")
    configuration.retries = False
    client = ApiClient(configuration)
    # The client's own pool would read key files for every connection, and would send a tunnel's
    # loopback address to an HTTPS_PROXY from the environment. Every K3s certificate names
    # 127.0.0.1, and only this cluster's CA is trusted, so the name is the same on every way in.
    client.rest_client.pool_manager = urllib3.PoolManager(
        maxsize=4, retries=False, ssl_context=trust, server_hostname=_LOOPBACK
    )
    return client


def _answers(server: Server) -> bool:
    try:
        with socket.create_connection((server.address, server.port), _DIRECT_PROBE_SECONDS):
            return True
    except OSError:
        return False


def _answer(response: Any) -> HttpAnswer:
    body = response.data if response.data is not None else response.read()
    headers = {str(name).lower(): str(value) for name, value in response.getheaders().items()}
    return HttpAnswer(
        int(response.status), body.encode() if isinstance(body, str) else bytes(body), headers
    )


def _refusal(error: Any) -> HttpAnswer:
    """Older clients raise what newer ones return."""
    body = error.body or b""
    headers = {str(name).lower(): str(value) for name, value in (error.headers or {}).items()}
    return HttpAnswer(int(error.status), body.encode() if isinstance(body, str) else body, headers)


# What OpenSSL says, and what it means here. A Pi has no battery for its clock.
_TLS_TROUBLES = (
    ("not yet valid", "its certificate is not valid yet: compare its clock with this computer's"),
    ("has expired", "its certificate has expired: restart k3s there, or compare the clocks"),
    ("mismatch", f"its certificate is not valid for {_LOOPBACK}"),
    ("VERIFY_FAILED", "its certificate is not from this cluster's CA; was K3s installed anew?"),
    ("EOF", _CUT),
)


def _tls_trouble(reason: str) -> str:
    for sign, meaning in _TLS_TROUBLES:
        if sign in reason:
            return meaning
    return "the TLS connection failed: " + " ".join(reason.split())


def _plainly(error: Exception, timeout: float) -> str:
    if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
        return f"no connection within {CONNECT_SECONDS:.0f} s"
    if isinstance(error, ReadTimeoutError):
        return f"connected, but silent for {timeout:.0f} s"
    if isinstance(error, NewConnectionError):
        return "connection refused" if "refused" in str(error).lower() else "no connection"
    return _CUT
