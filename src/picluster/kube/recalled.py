"""The API while a run changes nothing: what it has said once, it is not asked again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from picluster.kube.access import KubeAccess
from picluster.kube.api import JSON
from picluster.kube.link import READS
from picluster.once import Once

Question: TypeAlias = tuple[str, str, frozenset[tuple[str, str]]]
"""A read: its method, path and query."""
Answers: TypeAlias = Once[Question, tuple[Any, float | None]]
"""What was answered, and the API server's time at that."""


def question(method: str, path: str, query: Mapping[str, str] | None = None) -> Question:
    """Say what is read, so that it is known again."""
    return method, path, frozenset((query or {}).items())


class Recalled:
    """An `Api` for one reader, which shares `answers` with others: each thing is read once.

    Who asks meanwhile waits for the same answer, and whoever reads it leaves it as it is. A refusal
    is not kept, nor the answer to who wants the first one, whatever it is.
    """

    def __init__(self, api: KubeAccess, answers: Answers) -> None:
        self._api = api
        self._answers = answers
        self._clock: float | None = None

    @property
    def clock(self) -> float | None:
        """The API server's time at the answer that was read last; see `Api.clock`."""
        return self._clock

    def at(self, node: str) -> KubeAccess:
        """Return the API of one server, as it is now."""
        return self._api.at(node)

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
        """Send one request, unless it was answered before; see `Api.call`."""

        def ask() -> tuple[Any, float | None]:
            answer = self._api.call(
                method,
                path,
                query=query,
                body=body,
                content_type=content_type,
                timeout=timeout,
                retry=retry,
            )
            return answer, self._api.clock

        if method in READS and retry:
            answer, self._clock = self._answers.get(question(method, path, query), ask)
        else:
            answer, self._clock = ask()
        return answer
