"""The way to the cluster's API, as actions and live probes are handed it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from picluster.engine.place import Tools
from picluster.kube.api import Api


@runtime_checkable
class Reach(Protocol):
    """A tool: opens the way to the API when it is first needed."""

    def access(self) -> Api:
        """Return the API. Raises `ApiUnavailable` while there is none to ask."""


def api_of(tools: Tools) -> Api:
    """Return the API of the run's cluster. Raises `ApiUnavailable` while there is none to ask."""
    return tools.get(Reach).access()  # type: ignore[type-abstract]  # python/mypy#4717
