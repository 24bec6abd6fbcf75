"""What changes a cluster is sent by the official client.

This module alone imports `kubernetes`, and takes 0.3 s of a core to import because of it.
"""

from __future__ import annotations

import ssl
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
)

from picluster.kube.https import CUT, tls_trouble
from picluster.kube.link import (
    CONNECT_SECONDS,
    LOOPBACK,
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
        self._rest.pool_manager = urllib3.PoolManager(
            maxsize=4, retries=False, ssl_context=trust, server_hostname=LOOPBACK
        )

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
        except (HTTPError, OSError) as error:
            raise LinkDown(_plainly(error, request.timeout)) from None

    def close(self) -> None:
        """Close the connections."""
        self._rest.pool_manager.clear()


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


def _plainly(error: Exception, timeout: float) -> str:
    if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
        return unconnected()
    if isinstance(error, ReadTimeoutError):
        return silent(timeout)
    if isinstance(error, NewConnectionError):
        return "connection refused" if "refused" in str(error).lower() else "no connection"
    return CUT
