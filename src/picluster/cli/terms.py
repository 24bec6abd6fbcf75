"""What options limit a command to, and what they agree to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from picluster.cli.options import Overwritten, Volumes
from picluster.errors import UsageError
from picluster.model import Cluster
from picluster.site import EVERYWHERE, Consents, Scope
from picluster.steps.storage.only_copies import VolumeConsents


def limited(cluster: Cluster, nodes: Collection[str] | None) -> Scope:
    """Return the scope of these nodes, of all if there are none. Raises `UsageError`."""
    return Scope(frozenset(cluster.node(name).name for name in nodes or ()) or None)


def whoever_is_there(cluster: Cluster, scope: Scope = EVERYWHERE) -> Scope:
    """Return the scope of a command that can do without any one of the nodes."""
    return replace(scope, optional=frozenset(node.name for node in cluster.nodes))


def agreed(cluster: Cluster, file: Path, allowed: Overwritten) -> Consents:
    """Return what may be overwritten. Raises `UsageError` for a disk that the file lacks."""
    disks = set()
    for text in allowed.format_disk or ():
        name, _, device = text.partition(":")
        if device not in [disk.device for disk in cluster.node(name).disks]:
            raise UsageError(
                f"--format-disk {text}: {name} has no such disk in the cluster file",
                where=str(file),
                fix="name a disk of the file, as NODE:/dev/disk/by-id/...",
            )
        disks.add((name, device))
    return Consents(frozenset(disks), allowed.force_conflicts)


def said_of(volumes: Volumes) -> Consents:
    """Return what becomes of volumes. Raises `UsageError` if that is said twice of one."""
    lose, keep = frozenset(volumes.lose_volume or ()), frozenset(volumes.keep_volume or ())
    if both := sorted(lose & keep):
        raise UsageError(
            f"{', '.join(both)} cannot be given up and kept", fix="name it with one option only"
        )
    return Consents(volumes=VolumeConsents(lose, keep))
