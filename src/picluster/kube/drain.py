"""Cordon, drain and uncordon: keep pods off a node while it is worked on.

A node that picluster cordons carries an annotation that says so, and only such a node is ever
uncordoned: what an administrator cordoned stays cordoned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.kube.api import Api, merge_patch, segment
from picluster.kube.errors import ApiRefused, NotFound
from picluster.kube.glance import Glance
from picluster.kube.nodes import NodeState, get_node, node_path

if TYPE_CHECKING:
    from picluster.engine.place import Progress

CORDONED = "picluster.dev/cordoned"
"""Annotation on a node that picluster cordoned; its value says what for."""

DAEMONS = ("DaemonSet",)
_MIRROR = "kubernetes.io/config.mirror"
_TOO_MANY_REQUESTS = 429
_NAMED = 3


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


def evictable(pods: Iterable[Mapping[str, Any]], staying: Collection[str] = DAEMONS) -> list[Pod]:
    """Return the pods that a drain moves. Pure.

    Those of DaemonSets would come back at once, static ones are the kubelet's own, and finished
    ones need nothing from the node: they all stay, as with `kubectl drain --ignore-daemonsets`.
    `staying` are the kinds of owners whose pods do.
    """
    return [_pod(pod) for pod in pods if not _stays(pod, staying)]


def drain(
    api: Api, name: str, *, timeout: float, progress: Progress, staying: Collection[str] = DAEMONS
) -> None:
    """Evict what can be evicted from a node, and wait until it is gone; see `evictable`.

    Evictions respect disruption budgets: one that a budget refuses is tried again until `timeout`
    seconds are over. Raises `WaitFailed` naming the pods that stay and what keeps them.
    """
    last = _Leaving()
    glance = Glance(api)

    def look() -> _Leaving:
        nonlocal last
        left = pods_to_leave(glance, name, staying)
        last = _Leaving(
            tuple(left), {str(pod): why for pod in left if (why := _evict(glance, pod))}
        )
        return last

    wait_until(
        f"{name} is not drained",
        look,
        _judge,
        timeout=timeout,
        progress=progress,
        where=name,
        fix="look at these pods and their PodDisruptionBudgets; a volume whose only replica is on "
        "this node keeps it too. Raise limits.drain if they are merely slow. "
        f"The node stays cordoned; running the same command again goes on, "
        f"`kubectl uncordon {name}` undoes it",
        evidence=lambda: "\n".join(map(last.words_for, last.pods)),
    )


@dataclass(frozen=True, slots=True)
class _Leaving:
    """The pods that have yet to leave, and what keeps which."""

    pods: tuple[Pod, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)

    def words_for(self, pod: Pod) -> str:
        """Say what is with one of them."""
        return f"{pod}: {self.kept.get(str(pod)) or 'is ending'}"


def _judge(leaving: _Leaving) -> Verdict:
    if not leaving.pods:
        return Done()
    # One that is kept tells more than one that merely takes its time.
    told = sorted(leaving.pods, key=lambda pod: str(pod) not in leaving.kept)
    more = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    pods = "pod has" if len(told) == 1 else "pods have"
    return Waiting(
        f"{len(told)} {pods} yet to leave: "
        + "; ".join(map(leaving.words_for, told[:_NAMED]))
        + more
    )


def pods_to_leave(api: Api, name: str, staying: Collection[str] = DAEMONS) -> list[Pod]:
    """Return the pods that a drain of the node would move."""
    listed = api.call("GET", "/api/v1/pods", query={"fieldSelector": f"spec.nodeName={name}"})
    return evictable(listed.get("items") or [], staying)


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


def _stays(pod: Mapping[str, Any], staying: Collection[str]) -> bool:
    meta = pod.get("metadata") or {}
    owners = meta.get("ownerReferences") or []
    return (
        any(owner.get("kind") in staying and owner.get("controller") for owner in owners)
        or _MIRROR in (meta.get("annotations") or {})
        or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    )


def _pod(pod: Mapping[str, Any]) -> Pod:
    meta = pod["metadata"]
    leaving = bool(meta.get("deletionTimestamp"))
    return Pod(meta.get("namespace", "default"), meta["name"], leaving)
