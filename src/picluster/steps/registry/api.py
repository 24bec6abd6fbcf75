"""The registry's HTTP API, reached through the SSH connection to its node.

https://distribution.github.io/distribution/spec/api/ describes it.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from picluster.engine.pool import Sessions
from picluster.errors import StepFailed
from picluster.http_answers import Deadline, body_of
from picluster.steps.registry.credentials import Credentials
from picluster.steps.registry.probe_image import MANIFEST_TYPE, REPOSITORY, ProbeImage, digest_of

_TIMEOUT_SECONDS, _LONGEST_SECONDS = 60.0, 300.0
_PAGE = 500
_NOT_FOUND = 404
_INDEX_TYPES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_ACCEPT = ", ".join((MANIFEST_TYPE, "application/vnd.oci.image.manifest.v1+json", *_INDEX_TYPES))
_MOST_PAGES = 1000
_MOST_BYTES = 32 * 1024 * 1024
_NEXT = re.compile(r'<([^>]+)>;\s*rel="?next"?')


@dataclass(frozen=True, slots=True)
class RegistryEndpoint:
    """How the registry is spoken to: its node and port, whom to trust, who asks.

    `authority` is a certificate as PEM; empty is plain HTTP.
    """

    node: str
    port: int
    authority: str = ""
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the registry answered; header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The body, read as a JSON object."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}


@dataclass(frozen=True, slots=True)
class RegistryApi:
    """Requests over one open way to the registry."""

    endpoint: RegistryEndpoint
    port: int

    def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Make one request. Raises `StepFailed` if there is no answer, or one that refuses."""
        answer = self._ask(method, path, body, headers)
        if answer.status >= http.client.BAD_REQUEST and answer.status != _NOT_FOUND:
            raise self._failure(
                f"the registry refused {method} {path.partition('?')[0]}",
                f"status {answer.status}: {_said(answer.body)}",
            )
        return answer

    def push(self, image: ProbeImage) -> None:
        """Put an image into the registry: its blobs first, then the manifest that names them."""
        for blob in (image.layer, image.config):
            self._push_blob(blob)
        self.call(
            "PUT",
            f"/v2/{REPOSITORY}/manifests/{image.tag}",
            image.manifest,
            **{"Content-Type": MANIFEST_TYPE},
        )

    def repositories(self) -> list[str]:
        """Return the names of all repositories."""
        with self._making_sense():
            pages = self._pages("/v2/_catalog")
            return [str(name) for page in pages for name in page["repositories"] or ()]

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository; it may have lost all of them."""
        with self._making_sense():
            pages = self._pages(f"/v2/{repository}/tags/list")
            return sorted(str(tag) for page in pages for tag in page.get("tags") or ())

    def size(self, repository: str, reference: str) -> tuple[str, int]:
        """Return an image's digest, and how many bytes a pull of it brings, all platforms' in all.

        What several layers or images share counts once for each.
        """
        with self._making_sense():
            return self._size(repository, reference, inside=False)

    def _size(self, repository: str, reference: str, *, inside: bool) -> tuple[str, int]:
        answer = self.call("GET", f"/v2/{repository}/manifests/{reference}", Accept=_ACCEPT)
        if answer.status == _NOT_FOUND:
            return "", 0
        manifest = answer.data
        digest = answer.headers.get("docker-content-digest") or digest_of(answer.body)
        # An index lists images, and no other index: one that does might list itself.
        if not inside and (manifest.get("mediaType") in _INDEX_TYPES or "manifests" in manifest):
            parts = [str(part["digest"]) for part in manifest.get("manifests", ())]
            return digest, sum(self._size(repository, part, inside=True)[1] for part in parts)
        blobs = [manifest.get("config", {}), *manifest.get("layers", ())]
        return digest, sum(int(blob.get("size", 0)) for blob in blobs)

    def digest(self, repository: str, tag: str) -> str:
        """Return the digest of what a tag names; empty if there is no such tag."""
        answer = self.call("HEAD", f"/v2/{repository}/manifests/{tag}", Accept=_ACCEPT)
        with self._making_sense():
            return "" if answer.status == _NOT_FOUND else answer.headers["docker-content-digest"]

    def tag(self, repository: str, present: str, wanted: str) -> None:
        """Let another tag name what a present one does."""
        path = f"/v2/{repository}/manifests"
        found = self.call("GET", f"{path}/{present}", Accept=_ACCEPT)
        with self._making_sense():
            kind = {"Content-Type": found.headers["content-type"]}
        self.call("PUT", f"{path}/{wanted}", found.body, **kind)

    def _push_blob(self, content: bytes) -> None:
        digest = digest_of(content)
        if self.call("HEAD", f"/v2/{REPOSITORY}/blobs/{digest}").status != _NOT_FOUND:
            return
        begun = self.call("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
        with self._making_sense():
            where = urlsplit(begun.headers.get("location", ""))
        query = f"{where.query}&" if where.query else ""
        kind = {"Content-Type": "application/octet-stream"}
        self.call("PUT", f"{where.path}?{query}digest={digest}", content, **kind)

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        following: str | None = f"{path}?n={_PAGE}"
        for _ in range(_MOST_PAGES):
            if not following:
                return
            answer = self.call("GET", following)
            if answer.status == _NOT_FOUND:
                return
            yield answer.data
            found = _NEXT.search(answer.headers.get("link", ""))
            following = found[1] if found else None
        raise ValueError(f"its list goes on after {_MOST_PAGES} pages")

    @contextmanager
    def _making_sense(self) -> Iterator[None]:
        """Raise `StepFailed` for an answer that is not one of a registry's."""
        try:
            yield
        except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}"
            raise self._failure("the registry's answer makes no sense", why) from None

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        wanted = self.endpoint
        sent = dict(headers)
        if wanted.credentials is not None:
            sent["Authorization"] = wanted.credentials.header.reveal()
        connection = self._connection()
        try:
            connection.request(method, path, body or None, sent)
            got = connection.getresponse()
            lowered = {name.lower(): value for name, value in got.getheaders()}
            return Reply(got.status, body_of(got, _MOST_BYTES), lowered)
        # What it said before may be no part of a URL, which is a ValueError.
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failure("the registry does not answer", str(error)) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        within, where = Deadline.after(_LONGEST_SECONDS), ("127.0.0.1", self.port)
        if not self.endpoint.authority:
            plain = http.client.HTTPConnection
            return within.connection(plain, *where, timeout=_TIMEOUT_SECONDS)
        trust = ssl.create_default_context(cadata=self.endpoint.authority)
        tls = http.client.HTTPSConnection
        return within.connection(tls, *where, timeout=_TIMEOUT_SECONDS, context=trust)

    def _failure(self, what: str, why: str) -> StepFailed:
        return StepFailed(
            what,
            where=self.endpoint.node,
            why=why,
            fix="look at `docker logs picluster-registry` on the node; `picluster phase registry` "
            "repairs what differs from the file",
        )


@contextmanager
def reach(endpoint: RegistryEndpoint, sessions: Sessions) -> Iterator[RegistryApi]:
    """Open a way to the registry through its node's connection. Raises a `NodeError`."""
    forward = sessions.get(endpoint.node).forward("127.0.0.1", endpoint.port)
    try:
        yield RegistryApi(endpoint, forward.port)
    finally:
        forward.close()


def _said(body: bytes) -> str:
    """Return what a registry's error says: https://distribution.github.io has its form."""
    try:
        errors = json.loads(body)["errors"]
        return "; ".join(f"{error['code']}: {error.get('message', '')}" for error in errors)
    except (ValueError, KeyError, TypeError, RecursionError):
        return body.decode("utf-8", "replace").strip()[:200] or "no reason given"
