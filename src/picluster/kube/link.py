"""What passes between a request for data and the network, and the trust that all links share."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from picluster.errors import PiclusterError
from picluster.kube.kubeconfig import AdminKubeconfig
from picluster.local_files import create

CONNECT_SECONDS = 5.0
LOOPBACK = "127.0.0.1"
PATIENCE = 4
"""How many of its timeouts an answer may take in all, however slowly it drips."""
READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Server:
    """A server whose API may be asked; `address` is only used for direct connections."""

    node: str
    address: str = ""
    port: int = 6443


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to the API; `timeout` is in seconds without a byte from the server."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    content_type: str = "application/json"
    timeout: float = 30.0

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        """Whether something may be another way afterwards; a dry run of a change is a question."""
        return self.method not in READS and self.query.get("dryRun") != "All"

    @property
    def longest(self) -> float:
        """How many seconds its answer may take in all."""
        return PATIENCE * self.timeout

    @property
    def target(self) -> str:
        """The path with the query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """What is said beside it."""
        headers = {"Accept": "application/json, */*", "User-Agent": "picluster"}
        if self.body is not None:
            headers["Content-Type"] = self.content_type
        return headers


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer of any status; header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class LinkDown(Exception):
    """No HTTP answer came: refused, cut, timed out, or not the cluster that we know."""


def unconnected() -> str:
    """Say that nobody answered the knock."""
    return f"no connection within {CONNECT_SECONDS:.0f} s"


def silent(timeout: float) -> str:
    """Say that nothing came after it."""
    return f"connected, but silent for {timeout:.0f} s"


def trust_context(admin: AdminKubeconfig) -> ssl.SSLContext:
    """Build the TLS settings of every link: trust this cluster's CA alone, show our certificate.

    Python reads client keys from files only; ours lives in one, private to this user, for the
    moment that it takes to read it. Raises `PiclusterError` if certificate or key are unusable.
    """
    try:
        return _trust_context(admin)
    except ssl.SSLError as error:
        raise PiclusterError(
            "the admin certificate or its key cannot be used",
            why=error.reason or "",
            fix="restart k3s on a server, it writes /etc/rancher/k3s/k3s.yaml anew",
        ) from None


def _trust_context(admin: AdminKubeconfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=admin.ca)
    # Python 3.13 and later also want extensions that the CAs of older K3s versions do not carry.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with tempfile.TemporaryDirectory(prefix="picluster-", dir=_runtime_directory()) as private:
        file = Path(private, "admin.pem")
        with create(file) as pem:
            pem.write(f"{admin.certificate.rstrip()}\n{admin.key.reveal().rstrip()}\n".encode())
        context.load_cert_chain(file)
    return context


def _runtime_directory() -> str | None:
    """Prefer memory over disk for the key, where the system offers it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return runtime if runtime and os.access(runtime, os.W_OK) else None
