"""The Kubernetes API of a cluster, reached through whichever of its servers answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from picluster.engine.session import Session
from picluster.errors import PiclusterError
from picluster.kube.api import JSON
from picluster.kube.errors import ApiRefused, ApiUnavailable, Conflict, NotFound, Tried
from picluster.kube.health import PATH, SECONDS, failing_checks
from picluster.kube.kubeconfig import AdminKubeconfig, parse
from picluster.kube.link import READS, HttpAnswer, LinkDown, Request, Server, trust_context
from picluster.secret import Secret, redact

if TYPE_CHECKING:
    from picluster.kube.client import Link

_READ_ATTEMPTS = 3
_PAUSES = (0.3, 1.0)  # seconds before the second and the third attempt
_LONGEST_PAUSE = 5.0  # however long a server's Retry-After is
_TROUBLED = frozenset({429, 500, 502, 503, 504})  # worth asking again, or another server
_TOO_MANY = 429
_AWAY = frozenset({502, 503, 504})  # the API itself is not there, whatever was asked
_READYZ = Request("GET", PATH, timeout=SECONDS)


class KubeAccess:
    """A way to the API that moves on to the next server when one is down. It is an `Api`.

    `servers` are asked in their order; `session` opens, or returns, the connection to a node, and
    is only called from the thread that makes a request. Nothing is opened before the first
    request, and nothing stays behind after `close`.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        session: Callable[[str], Session],
        admin: AdminKubeconfig | Secret | str,
        *,
        direct: bool = False,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._servers = tuple(servers)
        self._session = session
        self._admin = admin if isinstance(admin, AdminKubeconfig) else parse(admin)
        self._direct = direct
        self._pause = pause
        self._lock = threading.Lock()
        self._trust = trust_context(self._admin)
        self._links: dict[str, Link] = {}
        self._link: Link | None = None  # the one in use
        self._next = 0  # where in `servers` the search for a working one starts
        self._pinned: dict[str, KubeAccess] = {}
        self._clock: float | None = None

    def __enter__(self) -> KubeAccess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the servers that may be asked."""
        return tuple(server.node for server in self._servers)

    @property
    def connected(self) -> str:
        """The name of the server that is being asked at the moment; empty if none is."""
        return self._link.server.node if self._link is not None else ""

    @property
    def clock(self) -> float | None:
        """The API server's time when it last answered; see `Api.clock`."""
        return self._clock

    def at(self, node: str) -> KubeAccess:
        """Return the API of this one server, without failing over to others."""
        with self._lock:
            if node not in self._pinned:
                chosen = [server for server in self._servers if server.node == node]
                self._pinned[node] = KubeAccess(
                    chosen, self._session, self._admin, direct=self._direct, pause=self._pause
                )
            return self._pinned[node]

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout: float = 30.0,
        retry: bool = True,
    ) -> Any:
        """Send one request; see `Api.call`. A read is repeated on another server if need be."""
        request = Request(method.upper(), path, query or {}, body, content_type, timeout)
        attempts = _READ_ATTEMPTS if retry and request.method in READS else 1
        tried: list[Tried] = []
        for attempt in range(attempts):
            link = self._current(tried)
            try:
                answer = link.send(request)
                self._clock = _date(answer) or self._clock
            except LinkDown as error:
                self._drop(link)
                tried.append(_tried(link, str(error)))
                self._rest(attempt, attempts)
                continue
            if answer.status in _TROUBLED and attempts > 1:
                tried.append(_tried(link, _what_it_said(answer)))
                if answer.status != _TOO_MANY:
                    self._leave(link)
                self._rest(attempt, attempts, answer.headers.get("retry-after", ""))
                continue
            if answer.status in _AWAY and retry:
                tried.append(_tried(link, _what_it_said(answer)))
                break
            return _result(request, link, answer)
        raise ApiUnavailable(tried, doing=_doing(request))

    def glimpse(self, path: str) -> Any:
        """Read from the server whose turn it is, ready or not; as `call` if it says nothing good.

        An answer says more than that a server is ready, and that question is a round trip.
        """
        request = Request("GET", path, timeout=SECONDS)
        with self._lock:
            link = self._open(self._servers[self._next], []) if self._servers else None
        with suppress(LinkDown, ApiUnavailable, ApiRefused):
            if link is not None:
                answer = link.send(request)
                self._clock = _date(answer) or self._clock
                return _result(request, link, answer)
        return self.call("GET", path)

    def close(self) -> None:
        """Close every link; safe to call twice. A later request would open a new one."""
        with self._lock:
            pinned, self._pinned = list(self._pinned.values()), {}
            links, self._links = list(self._links.values()), {}
            self._link = None
        for access in pinned:
            access.close()
        for link in links:
            link.close()

    def _current(self, tried: list[Tried]) -> Link:
        with self._lock:
            if self._link is None:
                self._link = self._connect(tried)
            return self._link

    def _connect(self, tried: list[Tried]) -> Link:
        """Return a link to the next server that is ready, or else to one that at least answers."""
        answering: list[Link] = []
        count = len(self._servers)
        for server in (self._servers[(self._next + offset) % count] for offset in range(count)):
            link = self._open(server, tried)
            answer = self._look(link, tried) if link is not None else None
            if link is None or answer is None:
                continue
            if answer.status not in _TROUBLED:
                return link
            tried.append(_tried(link, _what_it_said(answer)))
            answering.append(link)
        if not answering:
            raise ApiUnavailable(tried)
        return answering[0]

    def _open(self, server: Server, tried: list[Tried]) -> Link | None:
        from picluster.kube.client import open_link  # noqa: PLC0415  # late: it is slow to import

        if server.node in self._links:
            return self._links[server.node]
        try:
            link = open_link(server, self._session, self._trust, direct=self._direct)
        except PiclusterError as error:
            tried.append(Tried(server.node, "tunnel", error.what))
            return None
        except OSError as error:
            tried.append(Tried(server.node, "tunnel", error.strerror or type(error).__name__))
            return None
        self._links[server.node] = link
        return link

    def _look(self, link: Link, tried: list[Tried]) -> HttpAnswer | None:
        try:
            return link.send(_READYZ)
        except LinkDown as error:
            tried.append(_tried(link, str(error)))
            del self._links[link.server.node]
            link.close()
            return None

    def _leave(self, link: Link) -> None:
        """Ask the next server from now on. The link stays open: others may be waiting on it."""
        with self._lock:
            if self._link is link:
                self._link = None
                nodes = [server.node for server in self._servers]
                self._next = (nodes.index(link.server.node) + 1) % len(nodes)

    def _drop(self, link: Link) -> None:
        """Give up a link that is down, unless another thread did so already."""
        self._leave(link)
        with self._lock:
            if self._links.get(link.server.node) is link:
                del self._links[link.server.node]
        link.close()

    def _rest(self, attempt: int, attempts: int, retry_after: str = "") -> None:
        if attempt + 1 < attempts:
            asked = float(retry_after) if retry_after.isdecimal() else 0.0
            self._pause(min(max(asked, _PAUSES[attempt]), _LONGEST_PAUSE))


def _date(answer: HttpAnswer) -> float | None:
    """Return the time that an answer was sent at; Go's HTTP server puts it into every one."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ArithmeticError, ValueError):
        return None


def _tried(link: Link, answer: str) -> Tried:
    return Tried(link.server.node, link.via, answer)


def _doing(request: Request) -> str:
    if request.method in READS:
        return str(request)
    return f"{request}, which may or may not have been done"


def _result(request: Request, link: Link, answer: HttpAnswer) -> Any:
    """Turn an answer into data, or into the error that says no."""
    if 200 <= answer.status < 300:  # noqa: PLR2004  # the range is HTTP's
        text = answer.body.decode("utf-8", "replace")
        try:
            return json.loads(text) if "json" in answer.headers.get("content-type", "") else text
        except (ValueError, RecursionError):
            raise ApiUnavailable([_tried(link, "what it sent is not JSON")]) from None
    raise refusal_of(request, answer)


def refusal_of(request: Request, answer: HttpAnswer) -> ApiRefused:
    """Read an answer that says no."""
    status = _status_object(answer)
    kind = {404: NotFound, 409: Conflict}.get(answer.status, ApiRefused)
    return kind(
        str(request),
        status=answer.status,
        reason=str(status.get("reason") or ""),
        message=redact(str(status.get("message") or "")),
        causes=_causes(status),
        fix=_FIXES.get(answer.status, ""),
    )


_FIXES = {
    401: "the admin certificate is not accepted: the cluster was made anew, or its CA was rotated; "
    "run again so that it is fetched again",
    429: "the API is overloaded; run again in a moment",
}


def _status_object(answer: HttpAnswer) -> dict[str, Any]:
    text = answer.body.decode("utf-8", "replace")
    try:
        status = json.loads(text)
    except (ValueError, RecursionError):
        return {"message": text.strip()}
    return status if isinstance(status, dict) else {"message": text.strip()}


def _causes(status: dict[str, Any]) -> list[dict[str, str]]:
    details = status.get("details")
    listed = details.get("causes") if isinstance(details, dict) else None
    if not isinstance(listed, list):
        return []
    return [
        {key: redact(str(value)) for key, value in cause.items()}
        for cause in listed
        if isinstance(cause, dict)
    ]


def _what_it_said(answer: HttpAnswer) -> str:
    """One line of an unusable answer: for `/readyz`, the names of the checks that fail."""
    message = str(_status_object(answer).get("message") or "")
    failing = failing_checks(message)
    said = f"not ready: {', '.join(failing)}" if failing else message.partition("\n")[0]
    return redact(f"HTTP {answer.status}" + (f", {said}" if said else ""))
