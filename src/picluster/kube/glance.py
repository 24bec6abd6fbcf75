"""The API as a wait asks it: briefly, for the next look comes anyway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picluster.kube.api import JSON, Api

SECONDS = 5.0
"""How long one request may be silent: an API that has lost its majority hangs for a minute."""


@dataclass(frozen=True, slots=True)
class Glance:
    """An `Api` that gives a silent server up soon, and so asks the next one."""

    api: Api

    @property
    def clock(self) -> float | None:
        """See `Api.clock`."""
        return self.api.clock

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout: float = SECONDS,
        retry: bool = True,
    ) -> Any:
        """Send one request; see `Api.call`."""
        return self.api.call(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            timeout=min(timeout, SECONDS),
            retry=retry,
        )
