"""Sources of manifests for tests: what is given, or why it cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from picluster.engine.place import Tools
from picluster.steps.manifests.component import Unsettled


@dataclass(frozen=True)
class Given:
    """These manifests."""

    objects: tuple[dict[str, Any], ...]

    def __call__(self, tools: Tools) -> tuple[dict[str, Any], ...]:
        return self.objects


@dataclass(frozen=True)
class NotYet:
    """Manifests that cannot be told yet."""

    why: str

    def __call__(self, tools: Tools) -> tuple[()]:
        raise Unsettled("no images", why=self.why)
