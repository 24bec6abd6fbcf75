"""Which application a pod belongs to, and how many pods it has. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_HASH = "pod-template-hash"
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, order=True)
class Application:
    """What runs pods, as users know it: a Deployment, not the ReplicaSet in between.

    `pods` of its `of` pods are meant.
    """

    namespace: str
    name: str
    kind: str
    pods: int = 1
    of: int = 1

    def __str__(self) -> str:
        whole = f"{self.kind} {self.namespace}/{self.name}"
        return whole if self.pods == self.of else f"{self.pods} of {self.of} pods of {whole}"


def application_of(pod: Mapping[str, Any]) -> Application:
    """Return what a pod belongs to; a pod of nobody's is its own application."""
    meta = pod["metadata"]
    space = meta.get("namespace", "default")
    owners = meta.get("ownerReferences") or []
    owner = next((each for each in owners if each.get("controller")), None)
    if owner is None:
        return Application(space, meta["name"], "Pod")
    digest = (meta.get("labels") or {}).get(_HASH)
    if owner["kind"] == "ReplicaSet" and digest and owner["name"].endswith(f"-{digest}"):
        return Application(space, owner["name"].removesuffix(f"-{digest}"), "Deployment")
    return Application(space, owner["name"], owner["kind"])


def applications(
    pods: Iterable[Mapping[str, Any]], everyone: Iterable[Mapping[str, Any]]
) -> tuple[Application, ...]:
    """Return the applications of some pods, and how many of all their pods these are."""
    meant, present = Counter(map(application_of, pods)), Counter(map(application_of, everyone))
    return tuple(
        Application(each.namespace, each.name, each.kind, count, max(count, present[each]))
        for each, count in sorted(meant.items())
    )


def is_over(pod: Mapping[str, Any]) -> bool:
    """Whether a pod has ended, or is about to: it counts no more."""
    ended = (pod.get("status") or {}).get("phase") in _ENDED
    return ended or bool(pod["metadata"].get("deletionTimestamp"))
