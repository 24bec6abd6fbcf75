"""Labels and taints of nodes: what the file wants, against what the node has.

Only keys that picluster once set are ever taken away. It remembers them in two annotations on the
node, so a key that leaves the file leaves the node, and everybody else's labels stay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from picluster.errors import NotConverged
from picluster.kube.api import Api, Object, merge_patch
from picluster.kube.errors import Conflict
from picluster.kube.nodes import NODES, NodeState, Taint, as_objects, get_node, node_path

MANAGED_LABELS = "picluster.dev/managed-labels"
MANAGED_TAINTS = "picluster.dev/managed-taints"
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class NodeDrift:
    """What to change on one node; empty (false) if it is as wanted.

    `labels` maps a key to its wanted value, or to None if it is to go. `taints` is the complete
    new list, None if it stays. `annotations` is the new memory of what is managed.
    """

    labels: Mapping[str, str | None]
    annotations: Mapping[str, str | None]
    taints: tuple[Taint, ...] | None
    lines: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.labels or self.annotations or self.taints is not None)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def parse_taint(text: str) -> Taint:
    """Read `key=value:Effect` or `key:Effect`, as the cluster file writes it."""
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return Taint(key, value, effect)


def node_drift(seen: NodeState, labels: Mapping[str, str], taints: Collection[Taint]) -> NodeDrift:
    """Compare a node with the labels and taints that the file wants. Pure."""
    label_changes = _label_changes(seen, labels)
    new_taints, taint_lines = _taint_changes(seen, taints)
    memory = {
        MANAGED_LABELS: ",".join(sorted(labels)) or None,
        MANAGED_TAINTS: ",".join(sorted(taint.identity for taint in taints)) or None,
    }
    annotations = {
        key: managed for key, managed in memory.items() if seen.annotations.get(key) != managed
    }
    label_lines = tuple(
        f"- label {key}={seen.labels[key]}" if value is None else f"+ label {key}={value}"
        for key, value in sorted(label_changes.items())
    )
    lines = label_lines + taint_lines
    if annotations and not lines:
        lines = ("~ picluster manages these labels and taints from now on",)
    return NodeDrift(label_changes, annotations, new_taints, lines)


def drift_patch(seen: NodeState, drift: NodeDrift) -> Object:
    """Return the merge patch that makes the node as wanted.

    Taints are one list that others write to as well, so the patch then names the version that was
    read, and the API refuses it (409) if somebody else was faster.
    """
    metadata: Object = {}
    if drift.labels:
        metadata["labels"] = dict(drift.labels)
    if drift.annotations:
        metadata["annotations"] = dict(drift.annotations)
    if drift.taints is None:
        return {"metadata": metadata}
    metadata["resourceVersion"] = seen.resource_version
    return {"metadata": metadata, "spec": {"taints": as_objects(drift.taints) or None}}


def settle_node(
    api: Api, name: str, labels: Mapping[str, str], taints: Collection[Taint]
) -> NodeDrift:
    """Make a node's labels and taints as wanted; return what was changed.

    A node that somebody else changes at the same moment is read again. Raises `NotConverged` if the
    node is not in the cluster, or never holds still.
    """
    for _ in range(_ATTEMPTS):
        seen = get_node(api, name)
        if seen is None:
            raise NotConverged("is not in the cluster", where=name, fix="run the k3s phase")
        drift = node_drift(seen, labels, taints)
        if not drift:
            return drift
        try:
            merge_patch(api, node_path(name), drift_patch(seen, drift))
        except Conflict:
            continue
        return drift
    raise NotConverged(
        "its taints are being changed by somebody else all the time",
        where=name,
        why=f"{_ATTEMPTS} attempts met a newer version of the node each time",
        fix=f"find out who writes to {NODES}/{name}",
    )


def _label_changes(seen: NodeState, wanted: Mapping[str, str]) -> dict[str, str | None]:
    changes: dict[str, str | None] = {
        key: value for key, value in wanted.items() if seen.labels.get(key) != value
    }
    for key in _managed(seen, MANAGED_LABELS):
        if key not in wanted and key in seen.labels:
            changes[key] = None
    return changes


def _taint_changes(
    seen: NodeState, wanted: Collection[Taint]
) -> tuple[tuple[Taint, ...] | None, tuple[str, ...]]:
    by_identity = {taint.identity: taint for taint in wanted}
    managed = _managed(seen, MANAGED_TAINTS)
    present = {taint.identity: taint for taint in seen.taints}
    gone = [each for each in seen.taints if each.identity in managed - by_identity.keys()]
    fresh = [each for each in by_identity.values() if present.get(each.identity) != each]
    if not gone and not fresh:
        return None, ()
    replaced = {each.identity for each in (*gone, *fresh)}
    kept = [each for each in seen.taints if each.identity not in replaced]
    lines = [f"- taint {each}" for each in gone] + [f"+ taint {each}" for each in fresh]
    return (*kept, *fresh), tuple(lines)


def _managed(seen: NodeState, annotation: str) -> frozenset[str]:
    return frozenset(filter(None, seen.annotations.get(annotation, "").split(",")))
