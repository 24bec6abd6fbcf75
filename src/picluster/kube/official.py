"""What changes a cluster is sent by the official client.

This module alone imports `kubernetes`, and takes 0.3 s of a core to import because of it.
"""

from __future__ import annotations

import ssl
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from picluster.http_answers import Deadline, NotInTime, TooLarge, too_large
from picluster.kube.https import CUT, MOST_BYTES, tls_trouble
from picluster.kube.link import (
    CONNECT_SECONDS,
    LOOPBACK,
    PATIENCE,
    HttpAnswer,
    LinkDown,
    Request,
    silent,
    unconnected,
)


class Official:
    """A server's API. Requests may be sent from several threads."""

    def __init__(self, host: str, port: int, trust: ssl.SSLContext) -> None:
        literal = f"[{host}]" if ":" in host else host
        configuration = Configuration(host=f"https://{literal}:{port}")
        configuration.retries = False
        self._base = configuration.host
        self._rest: Any = ApiClient(configuration).rest_client
        # The client's own pool would read key files for every connection, and would send a tunnel's
        # loopback address to an HTTPS_PROXY from the environment.
        pools = urllib3.PoolManager(
            maxsize=4, retries=False, ssl_context=trust, server_hostname=LOOPBACK
        )
        pools.pool_classes_by_scheme = {"https": _Pool}
        self._rest.pool_manager = pools

    def send(self, request: Request) -> HttpAnswer:
        """Send one request, once. Raises `LinkDown` if no complete answer came back."""
        try:
            response = self._rest.request(
                request.method,
                self._base + request.target,
                headers=request.headers,
                body=request.body,
                _request_timeout=(CONNECT_SECONDS, request.timeout),
            )
            return _answer(response)
        except ApiException as error:
            if not error.status:
                raise LinkDown(tls_trouble(str(error.reason))) from None
            return _refusal(error)
        except (TooLarge, HTTPError, OSError) as error:
            raise LinkDown(_plainly(error, request.timeout)) from None

    def close(self) -> None:
        """Close the connections."""
        self._rest.pool_manager.clear()


class _TimedConnection(HTTPSConnection):
    """Its answers are whole in time."""

    def getresponse(self) -> Any:
        """Begin to read one."""
        within = Deadline.after(PATIENCE * float(self.timeout or 0))
        self.response_class = within.answer  # type: ignore[assignment]  # it is only called
        return super().getresponse()


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _TimedConnection


def _answer(response: Any) -> HttpAnswer:
    # Older clients have read it.
    body = response.data if response.data is not None else _read(response.response)
    headers = {str(name).lower(): str(value) for name, value in response.getheaders().items()}
    return HttpAnswer(
        int(response.status), body.encode() if isinstance(body, str) else bytes(body), headers
    )


def _read(response: Any) -> bytes:
    body = bytearray()
    for piece in response.stream():
        body += piece
        if len(body) > MOST_BYTES:
            response.close()
            raise too_large(MOST_BYTES)
    return bytes(body)


def _refusal(error: Any) -> HttpAnswer:
    """Older clients raise what newer ones return."""
    body = error.body or b""
    headers = {str(name).lower(): str(value) for name, value in (error.headers or {}).items()}
    return HttpAnswer(int(error.status), body.encode() if isinstance(body, str) else body, headers)


def _plainly(error: Exception, timeout: float) -> str:
    if isinstance(error, TooLarge):
        return str(error)
    if isinstance(error.__cause__, NotInTime):
        return str(error.__cause__)
    if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
        return unconnected()
    if isinstance(error, ReadTimeoutError):
        return silent(timeout)
    if isinstance(error, NewConnectionError):
        return "connection refused" if "refused" in str(error).lower() else "no connection"
    return CUT
