"""The stand-in's Kubernetes API without network or processes, for tests of steps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from picluster.kube.access import refusal_of
from picluster.kube.errors import ApiUnavailable
from picluster.kube.link import HttpAnswer
from picluster.kube.link import Request as Sent
from tests.doubles.k3s.apiserver import Api, ApiError, Request, Watch
from tests.doubles.k3s.controllers import tick
from tests.doubles.k3s.members import Cluster, Transaction
from tests.doubles.k3s.store import Object, Store

T = TypeVar("T")


class _Alone:
    """A cluster of one member, which leads for ever."""

    def __init__(self) -> None:
        self.store = Store()
        self.has_quorum = True

    def transact(self, change: Callable[[Transaction], T], *, keep: bool = True) -> T:
        transaction = Transaction(self.store)
        result = change(transaction)
        if keep and transaction.operations:
            self.store.apply(1, self.store.index + 1, transaction.operations)
        return result


class ApiInMemory:
    """Answers picluster's requests; `sent` lists them. While `away`, no server answers.

    `clock` is the time that its answers carry. What follows by itself in a cluster, such as that a
    pod ends, has followed by each request; `slept` is how many seconds have passed for that.
    """

    def __init__(self, *nodes: str) -> None:
        self._cluster = _Alone()
        self._api = Api(cast("Cluster", self._cluster))
        self.slept = 0.0
        self.sent: list[str] = []
        self.away = False
        self.clock: float | None = time.time()
        for name in ("default", "kube-system"):
            self.create("/api/v1/namespaces", "v1", "Namespace", name)
        for name in nodes:
            self.create("/api/v1/nodes", "v1", "Node", name)
        self.sent.clear()

    def access(self) -> ApiInMemory:
        """Be what leads to the API, too."""
        if self.away:
            raise ApiUnavailable([])
        return self

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        timeout: float = 30.0,
        retry: bool = True,
    ) -> Any:
        """Answer one request."""
        self.sent.append(f"{method} {path}" + (" (dry)" if "dryRun" in (query or {}) else ""))
        self._cluster.transact(lambda change: tick(change, time.time() + self.slept))
        headers = {"content-type": content_type, "user-agent": "picluster/0"}
        text = b"" if body is None else json.dumps(body).encode()
        request = Request(method, path, dict(query or {}), headers, text, "admin")
        try:
            found = self._api.answer(request)
        except ApiError as error:
            answer = HttpAnswer(error.status, json.dumps(error.as_object()).encode())
            raise refusal_of(Sent(method, path), answer) from None
        assert not isinstance(found, Watch)
        return found[1] if isinstance(found[1], str) else json.loads(json.dumps(found[1]))

    def create(self, path: str, version: str, kind: str, name: str, **parts: Any) -> Object:
        """Make an object, as somebody else would."""
        metadata = {"name": name, **parts.pop("metadata", {})}
        body = {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}
        query = {"fieldManager": "somebody"}
        return cast("Object", self.call("POST", path, query=query, body=body))

    def edit(self, path: str, patch: Mapping[str, Any]) -> None:
        """Change an object by hand, as `kubectl edit` does."""
        kind = "application/merge-patch+json"
        self.call(
            "PATCH",
            path,
            query={"fieldManager": "kubectl-edit"},
            body=dict(patch),
            content_type=kind,
        )

    def get(self, path: str) -> Object:
        """Return an object."""
        return cast("Object", self.call("GET", path))

    @property
    def writes(self) -> list[str]:
        """The requests that changed something."""
        return [each for each in self.sent if not each.startswith("GET") and "(dry)" not in each]
