"""A test double for a registry: the part of its HTTP API that picluster uses, in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Store:
    """What the double holds; `login` is `user:password`, empty lets everybody in."""

    login: str = ""
    page: int = 1000
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def registry_double(store: Store) -> Iterator[Store]:
    """Serve the store on a port of its own."""
    handler = type("Handler", (_Handler,), {"store": store})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        store.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    store: Store

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.begin()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - likewise

    def begin(self) -> None:
        store = self.store
        store.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        wanted = f"Basic {base64.b64encode(store.login.encode()).decode()}"
        if store.login and self.headers.get("Authorization") != wanted:
            self.answer(401, json.dumps({"errors": [{"code": "UNAUTHORIZED"}]}).encode())
            return
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        name, _, rest = parts.path.removeprefix("/v2/").rpartition("/")
        if parts.path == "/v2/_catalog":
            self.catalog(query)
        elif self.command == "POST":
            self.answer(202, Location=f"{store.url}{parts.path}one?state=s")
        elif self.command == "PUT" and "/blobs/" in name:
            (digest,) = query["digest"]
            assert query["state"] == ["s"]
            assert digest == _digest(body)
            store.blobs[digest] = body
            self.answer(201)
        elif self.command == "PUT":
            store.manifests[name.removesuffix("/manifests"), rest] = body
            self.answer(201)
        elif rest == "list":
            self.tags(name.removesuffix("/tags"))
        else:
            self.content(name, rest)

    def catalog(self, query: dict[str, list[str]]) -> None:
        names = sorted({name for name, _ in self.store.manifests})
        last = query.get("last", [""])[0]
        rest = [name for name in names if name > last]
        shown = rest[: self.store.page]
        more = {"Link": f'</v2/_catalog?last={shown[-1]}&n=9>; rel="next"'} if rest != shown else {}
        self.answer(200, json.dumps({"repositories": shown}).encode(), **more)

    def tags(self, name: str) -> None:
        tags: Any = [tag for each, tag in self.store.manifests if each == name]
        self.answer(200, json.dumps({"name": name, "tags": tags or None}).encode())

    def content(self, name: str, reference: str) -> None:
        if name.endswith("/blobs"):
            found = self.store.blobs.get(reference)
        else:
            found = self.store.manifests.get((name.removesuffix("/manifests"), reference))
        # distribution gives an index out only to who says that it takes one.
        is_index = found is not None and b'"manifests"' in found
        if found is None or (is_index and "index" not in self.headers.get("Accept", "")):
            self.answer(404, json.dumps({"errors": [{"code": "UNKNOWN"}]}).encode())
        else:
            named = {"Docker-Content-Digest": _digest(found), "Content-Type": "application/json"}
            self.answer(200, found, **named)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
