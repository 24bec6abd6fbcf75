"""What a server serves on its port: K3s's own endpoints, and the Kubernetes API behind them."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from .apiserver import Api, Request, Watch, unavailable, wants_watch
from .members import Cluster, NoQuorum, NotLeading
from .pace import paced
from .resources import ApiError
from .wire import Answer, Client

if TYPE_CHECKING:
    from .store import Object

_CHECKS = ("ping", "log", "etcd", "etcd-readiness", "informer-sync", "shutdown")
_FORWARDED = "x-standin-user"


def basic(user: str, secret: str) -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


class Supervisor:
    """Answers everything. `own` are K3s's endpoints: by name, called with (request, body)."""

    def __init__(self, cluster: Cluster, client: Client, secret: str, ca: bytes) -> None:
        self.cluster, self.client = cluster, client
        self.api = Api(cluster)
        self._ca, self._users = ca, {basic(user, secret): user for user in ("server", "node")}
        self.own: dict[str, Callable[[Request, Any], Any]] = {}
        self.tokens: Callable[[str], bool] = lambda _: False

    def who(self, headers: dict[str, str], certificate: Object | None) -> str:
        """Return who asks."""
        for part in (certificate or {}).get("subject", ()):
            if ("organizationName", "system:masters") in part:
                return "admin"
        given = headers.get("authorization", "")
        if given in self._users:
            user = self._users[given]
            return headers.get(_FORWARDED, user) if user == "server" else user
        return "node" if self.tokens(given) else ""

    def answer(self, request: Request) -> Answer | Watch:
        """Answer one request."""
        try:
            return self._answer(request)
        except ApiError as problem:
            return _json(problem.status, problem.as_object())
        except NoQuorum:
            problem = unavailable()
            return _json(problem.status, problem.as_object())

    def _answer(self, request: Request) -> Answer | Watch:
        first = request.path.split("/")[1]
        if first == "ping":
            return Answer(200, "text/plain", b"pong")
        if first == "cacerts":
            return Answer(200, "text/plain", self._ca)
        if not request.user:
            message = "not authorized" if first == "v1-k3s" else "Unauthorized"
            raise ApiError(401, "Unauthorized", message)
        if first == "peer":
            return self._peer(request)
        if first == "v1-k3s":
            return self._k3s(request)
        if request.user != "admin":
            raise ApiError(403, "Forbidden", "forbidden")
        if first in ("readyz", "livez", "healthz"):
            return self._health(request)
        return self._kubernetes(request)

    def _peer(self, request: Request) -> Answer:
        if request.user != "server":
            raise ApiError(403, "Forbidden", "forbidden")
        try:
            said = self.cluster.handle(request.path.split("/")[2], request.json())
        except ValueError as problem:
            raise ApiError(412, "PreconditionFailed", str(problem)) from None
        return _json(200, said)

    def _k3s(self, request: Request) -> Answer:
        act = self.own.get(request.path.removeprefix("/v1-k3s/"))
        if act is None:
            raise ApiError(404, "NotFound", "404 page not found")
        try:
            return _json(200, act(request, request.json()))
        except NotLeading as other:
            return self._forward(request, other.leader)

    def _health(self, request: Request) -> Answer:
        healthy = self.cluster.has_quorum and self.cluster.me in self.cluster.members
        live = request.path.startswith("/livez")
        checks = _CHECKS if not live else tuple(c for c in _CHECKS if c != "etcd-readiness")
        if healthy and "verbose" not in request.query:
            return Answer(200, "text/plain", b"ok")
        lines = [
            f"[-]{check} failed: reason withheld"
            if check.startswith("etcd") and not healthy
            else f"[+]{check} ok"
            for check in checks
        ]
        name = request.path.split("/")[1]
        lines.append(f"{name} check {'passed' if healthy else 'failed'}")
        return Answer(200 if healthy else 500, "text/plain", "\n".join([*lines, ""]).encode())

    def _kubernetes(self, request: Request) -> Answer | Watch:
        if not self.cluster.has_quorum:
            raise NoQuorum
        if not self.cluster.leads and not wants_watch(request):
            return self._forward(request, self.cluster.leader_url())
        try:
            found = self.api.answer(request)
        except NotLeading as other:
            return self._forward(request, other.leader)
        return found if isinstance(found, Watch) else _json(*found)

    def _forward(self, request: Request, leader: str) -> Answer:
        if not leader or request.headers.get("x-standin-hop") == "2":
            raise NoQuorum
        hop = str(int(request.headers.get("x-standin-hop", "0")) + 1)
        headers = {_FORWARDED: request.user, "X-Standin-Hop": hop}
        for name in ("content-type", "user-agent"):
            if name in request.headers:
                headers[name.title()] = request.headers[name]
        try:
            url = leader + request.headers["x-standin-target"]
            return self.client.call(
                request.method, url, request.body or None, headers=headers, timeout=paced(8.0)
            )
        except (OSError, http.client.HTTPException):
            raise NoQuorum from None


def _json(status: int, obj: Any) -> Answer:
    if isinstance(obj, str):
        return Answer(status, "text/plain", obj.encode())
    return Answer(status, "application/json", json.dumps(obj).encode())


class Handler(BaseHTTPRequestHandler):
    """Carries requests to the supervisor, and answers and watches back."""

    protocol_version = "HTTP/1.1"
    server_version = "k3s-stand-in"
    disable_nagle_algorithm = True
    supervisor: ClassVar[Supervisor]

    def _serve(self) -> None:
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        user = self.supervisor.who(headers, self.connection.getpeercert())  # type: ignore[attr-defined]
        headers["x-standin-target"] = self.path
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        request = Request(self.command, unquote(target.path), query, headers, body, user)
        answer = self.supervisor.answer(request)
        if isinstance(answer, Watch):
            self._stream(answer)
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.status == 503:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(answer.body)

    def _stream(self, watch: Watch) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.connection.settimeout(30)
        quiet = time.monotonic()
        for line in watch.lines:
            if line:
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                quiet = time.monotonic()
            elif time.monotonic() - quiet > 1 and self._hung_up():
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _hung_up(self) -> bool:
        self.connection.settimeout(0.001)
        try:
            return not self.connection.recv(1)
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(30)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing of each request."""
