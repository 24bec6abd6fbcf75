"""Cordon, drain and uncordon: keep pods off a node while it is worked on.

A node that picluster cordons carries an annotation that says so, and only such a node is ever
uncordoned: what an administrator cordoned stays cordoned.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from picluster.errors import WaitFailed
from picluster.kube.api import Api, merge_patch, segment
from picluster.kube.errors import ApiRefused, ApiUnavailable, NotFound
from picluster.kube.nodes import NodeState, get_node, node_path

if TYPE_CHECKING:
    from picluster.engine.step import Progress

CORDONED = "picluster.dev/cordoned"
"""Annotation on a node that picluster cordoned; its value says what for."""

_MIRROR = "kubernetes.io/config.mirror"
_TOO_MANY_REQUESTS = 429
_POLL_SECONDS = 2.0
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that has to leave a node."""

    namespace: str
    name: str
    leaving: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def cordoned_by_us(node: NodeState | None) -> bool:
    """Whether picluster cordoned the node, and it still is."""
    return node is not None and node.unschedulable and CORDONED in node.annotations


def cordon(api: Api, name: str, why: str) -> None:
    """Let no new pods onto a node; one that is cordoned already is left as it is."""
    node = get_node(api, name)
    if node is None or node.unschedulable:
        return
    patch = {"metadata": {"annotations": {CORDONED: why}}, "spec": {"unschedulable": True}}
    merge_patch(api, node_path(name), patch)


def uncordon(api: Api, name: str) -> None:
    """Let pods onto a node again."""
    patch = {"metadata": {"annotations": {CORDONED: None}}, "spec": {"unschedulable": None}}
    merge_patch(api, node_path(name), patch)


def evictable(pods: Iterable[Mapping[str, Any]]) -> list[Pod]:
    """Return the pods that a drain moves. Pure.

    Those of DaemonSets would come back at once, static ones are the kubelet's own, and finished
    ones need nothing from the node: they all stay, as with `kubectl drain --ignore-daemonsets`.
    """
    return [_pod(pod) for pod in pods if not _stays(pod)]


def drain(api: Api, name: str, *, timeout: float, progress: Progress) -> None:
    """Evict what can be evicted from a node, and wait until it is gone.

    Evictions respect disruption budgets: one that a budget refuses is tried again until `timeout`
    seconds are over. Raises `WaitFailed` naming the pods that stay and what keeps them.
    """
    deadline = time.monotonic() + timeout
    kept: dict[str, str] = {}
    while True:
        try:
            left = pods_to_leave(api, name)
            kept = {str(pod): why for pod in left if (why := _evict(api, pod))}
        except ApiUnavailable as away:
            left, kept = [], {"the API": away.why}
        if not left and not kept:
            return
        if time.monotonic() >= deadline:
            raise _stuck(name, left, kept, timeout)
        progress.report(f"draining {name}: {len(left)} pods to leave{_because(kept)}")
        progress.sleep(_POLL_SECONDS)


def pods_to_leave(api: Api, name: str) -> list[Pod]:
    """Return the pods that a drain of the node would move."""
    listed = api.call("GET", "/api/v1/pods", query={"fieldSelector": f"spec.nodeName={name}"})
    return evictable(listed.get("items") or [])


def _evict(api: Api, pod: Pod) -> str:
    """Ask for one eviction; return why it is refused for now, or an empty text."""
    if pod.leaving:
        return ""
    namespace, name = segment(pod.namespace), segment(pod.name)
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    try:
        api.call("POST", path, body=body, retry=False)
    except NotFound:
        return ""
    except ApiRefused as refused:
        if refused.status != _TOO_MANY_REQUESTS:
            raise
        return refused.message or "a disruption budget forbids it"
    return ""


def _stays(pod: Mapping[str, Any]) -> bool:
    meta = pod.get("metadata") or {}
    owners = meta.get("ownerReferences") or []
    return (
        any(owner.get("kind") == "DaemonSet" and owner.get("controller") for owner in owners)
        or _MIRROR in (meta.get("annotations") or {})
        or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    )


def _pod(pod: Mapping[str, Any]) -> Pod:
    meta = pod["metadata"]
    leaving = bool(meta.get("deletionTimestamp"))
    return Pod(meta.get("namespace", "default"), meta["name"], leaving)


def _because(kept: Mapping[str, str]) -> str:
    return "" if not kept else f"; {next(iter(kept))} waits: {next(iter(kept.values()))}"


def _stuck(name: str, left: list[Pod], kept: Mapping[str, str], timeout: float) -> WaitFailed:
    names = ", ".join(map(str, left[:_NAMED])) + (" and more" if len(left) > _NAMED else "")
    reasons = "; ".join(f"{pod}: {why}" for pod, why in list(kept.items())[:_NAMED])
    return WaitFailed(
        f"not drained within {timeout:.0f} s",
        where=name,
        why=f"still there: {names or 'nothing that could be read'}"
        + (f" ({reasons})" if reasons else ""),
        fix="look at these pods and their PodDisruptionBudgets; a volume whose only replica is on "
        "this node keeps it too. Raise limits.drain if they are merely slow. "
        f"The node stays cordoned; running the same command again goes on, "
        f"`kubectl uncordon {name}` undoes it",
    )
