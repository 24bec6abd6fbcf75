"""On which nodes Longhorn has copies of a volume that can be used. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

REPLICAS = "/apis/longhorn.io/v1beta2/namespaces/longhorn-system/replicas"
DRIVER = "driver.longhorn.io"


@dataclass(frozen=True, slots=True)
class Copies:
    """The nodes with a usable copy of a volume, and its size as Kubernetes writes sizes."""

    nodes: frozenset[str]
    size: str


def copies(replicas: Iterable[Mapping[str, Any]]) -> dict[str, Copies]:
    """Return where there are copies, by the name that Longhorn has for the volume.

    A replica is good while `healthyAt` is set and `failedAt` is not; where all have failed, those
    that were good once are what a salvage is made of (longhorn-manager,
    k8s/pkg/apis/longhorn/v1beta2/replica.go).
    """
    good: dict[str, set[str]] = {}
    failed: dict[str, set[str]] = {}
    sizes: dict[str, str] = {}
    for replica in replicas:
        spec = replica.get("spec") or {}
        name, node = spec.get("volumeName"), spec.get("nodeID")
        leaving = replica["metadata"].get("deletionTimestamp")
        if not name or not node or not spec.get("healthyAt") or leaving:
            continue
        sizes[name] = _gibibytes(str(spec.get("volumeSize", "")))
        (failed if spec.get("failedAt") else good).setdefault(name, set()).add(node)
    return {
        name: Copies(frozenset(good.get(name) or failed[name]), size)
        for name, size in sizes.items()
    }


def volume_of(persistent_volume: Mapping[str, Any]) -> str:
    """Return the name that Longhorn has for a PersistentVolume; empty if it is not its own."""
    csi = persistent_volume["spec"].get("csi") or {}
    return str(csi.get("volumeHandle", "")) if csi.get("driver") == DRIVER else ""


def _gibibytes(size: str) -> str:
    return f"{int(size) / 2**30:.3g}Gi" if size.isdecimal() else ""
