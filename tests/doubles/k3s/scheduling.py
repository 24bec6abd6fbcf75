"""The stand-in's scheduler and volume binder: pods find their nodes, and claims their volumes.

A claim of a class that waits for its first consumer is bound once a pod that uses it is placed, by
a volume whose node affinity names that node (local-path-provisioner, provisioner.go,
`provisionFor`). Later pods with that claim fit no other node, and wait with the scheduler's words
(kubernetes, pkg/scheduler/framework/plugins/volumebinding/binder.go; up to 1.32 it said "node(s)
had volume node affinity conflict", kubernetes#129887 made it what it is here).
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator

from .log import now
from .members import Transaction
from .scenes import Happened
from .store import Key, Object
from .troubles import NO_ROOM, NO_VOLUME, asked_of, event, forget_events, play, without_volume

HOSTNAME = "kubernetes.io/hostname"
STORAGE = "/var/lib/rancher/k3s/storage"
SELECTED_NODE = "local.path.provisioner/selected-node"

_LOCAL_PATH = "rancher.io/local-path"
_FULL = "Insufficient memory"
_NOT_HELPFUL, _NO_VICTIMS = (
    "Preemption is not helpful for scheduling",
    "No preemption victims found for incoming pod",
)


def schedule(change: Transaction) -> None:
    """Place every pod that waits for a node, and say why those do not fit that do not."""
    load = Counter(pod["spec"].get("nodeName", "") for _, pod in change.listed("", "pods"))
    nodes = [node for _, node in change.listed("", "nodes")]
    for key, pod in change.listed("", "pods"):
        if pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            continue
        refusals = {node["metadata"]["name"]: _refusal(change, node, pod) for node in nodes}
        fitting = [name for name, why in refusals.items() if not why]
        unbound = _unbound(change, key, pod)
        if unbound:
            _wait(change, key, pod, _nowhere(unbound, len(nodes)))
        elif fitting:
            chosen = min(fitting, key=lambda name: (load[name], name))
            load[chosen] += 1
            place(change, key, pod, chosen)
        else:
            _wait(change, key, pod, _no_node([why for why in refusals.values() if why]))


def place(change: Transaction, key: Key, pod: Object, node: str) -> None:
    """Give a pod a node, which starts it: it runs, or is in the trouble that it was asked for."""
    for claim_key, claim in claims_of(change, pod):
        if claim is not None and claim["status"].get("phase") != "Bound":
            _provision(change, claim_key, claim, node)
    forget_events(change, "Pod", key)
    placed = {**pod, "spec": {**pod["spec"], "nodeName": node}}
    if asked_of(pod):
        play(change, key, placed, time.time())
    else:
        change.put(key, {**placed, "status": _running(pod)})


def _running(pod: Object) -> Object:
    running = [
        {
            "name": each["name"],
            "image": each.get("image", ""),
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now()}},
        }
        for each in pod["spec"]["containers"]
    ]
    told = [
        {"type": kind, "status": "True", "lastTransitionTime": now()}
        for kind in ("PodScheduled", "Ready")
    ]
    return {
        "phase": "Running",
        "startTime": now(),
        "conditions": told,
        "containerStatuses": running,
    }


def _wait(change: Transaction, key: Key, pod: Object, why: str) -> None:
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
    status = {"phase": "Pending", "conditions": [said]}
    if pod["status"] != status:
        change.put(key, {**pod, "status": status})
        told = Happened("Warning", "FailedScheduling", why, "default-scheduler", 1)
        event(change, ("Pod", key[2], key[3]), told)


def _no_node(reasons: Iterable[str]) -> str:
    counted = Counter(reasons)
    count = sum(counted.values())
    if not count:
        return "no nodes available to schedule pods"
    return _nowhere(_told(counted), count, counted[_FULL])


def _nowhere(why: str, nodes: int, full: int = 0) -> str:
    """Return the scheduler's words; kubernetes, pkg/scheduler/framework/types.go, `FitError`.

    Room could be made on a node that is full, if it had pods that matter less.
    """
    room = _told(+Counter({_NO_VICTIMS: full, _NOT_HELPFUL: nodes - full}))
    none = f"0/{nodes} nodes are available:"
    return f"{none} {why}. preemption: {none} {room}."


def _told(counted: Counter[str]) -> str:
    return ", ".join(sorted(f"{many} {why}" for why, many in counted.items()))


# ------------------------------------------------------------------ nodes


def _refusal(change: Transaction, node: Object, pod: Object) -> str:
    """Say why a node does not take a pod, in the words of the filter that refuses; or nothing."""
    spec = node.get("spec") or {}
    if spec.get("unschedulable"):
        return "node(s) were unschedulable"
    for taint in spec.get("taints") or ():
        if taint["effect"] != "PreferNoSchedule" and not _tolerates(pod, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(_labels(node).get(name) != value for name, value in wanted.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    if asked_of(pod) == NO_ROOM:
        return _FULL
    if not all(_may_be_at(volume, node) for volume in _volumes(change, pod)):
        return "node(s) didn't match PersistentVolume's node affinity"
    return ""


def _tolerates(pod: Object, taint: Object) -> bool:
    for each in pod["spec"].get("tolerations") or ():
        key, effect = each.get("key"), each.get("effect")
        same = each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", "")
        if key in (None, taint["key"]) and effect in (None, "", taint["effect"]) and same:
            return True
    return False


def _labels(node: Object) -> Object:
    return {HOSTNAME: node["metadata"]["name"], **(node["metadata"].get("labels") or {})}


# ------------------------------------------------------------------ volumes


def claims_of(change: Transaction, pod: Object) -> Iterator[tuple[Key, Object | None]]:
    """Return the claims that a pod names, those that are not there included."""
    for volume in pod["spec"].get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name:
            key: Key = ("", "persistentvolumeclaims", pod["metadata"]["namespace"], name)
            yield key, change.get(key)


def waits_for_consumer(change: Transaction, claim: Object) -> bool:
    """Whether a claim is bound where its first pod is placed, and not before."""
    name = claim["spec"].get("storageClassName") or ""
    kind = change.get(("storage.k8s.io", "storageclasses", "", name))
    return kind is not None and kind.get("volumeBindingMode") == "WaitForFirstConsumer"


def _unbound(change: Transaction, key: Key, pod: Object) -> str:
    """Say which claim keeps a pod from being placed anywhere, if one does."""
    if asked_of(pod) == NO_VOLUME:
        return without_volume(change, key, pod)
    for place, claim in claims_of(change, pod):
        if claim is None:
            return f'persistentvolumeclaim "{place[3]}" not found'
        if "deletionTimestamp" in claim["metadata"]:
            return f'persistentvolumeclaim "{place[3]}" is being deleted'
        if claim["status"].get("phase") != "Bound" and not waits_for_consumer(change, claim):
            return "pod has unbound immediate PersistentVolumeClaims"
    return ""


def _volumes(change: Transaction, pod: Object) -> Iterator[Object]:
    for _, claim in claims_of(change, pod):
        name = ((claim or {}).get("spec") or {}).get("volumeName")
        volume = change.get(("", "persistentvolumes", "", name)) if name else None
        if volume is not None:
            yield volume


def _may_be_at(volume: Object, node: Object) -> bool:
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return required is None or any(
        all(_labels(node).get(one["key"]) in one["values"] for one in term["matchExpressions"])
        for term in required["nodeSelectorTerms"]
    )


def _provision(change: Transaction, key: Key, claim: Object, node: str) -> None:
    """Do what local-path's provisioner does: a volume on the chosen node, for this claim."""
    volume = _volume(key, claim, node)
    change.put(("", "persistentvolumes", "", volume["metadata"]["name"]), volume)
    notes = {
        **(claim["metadata"].get("annotations") or {}),
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
        "volume.kubernetes.io/selected-node": node,
        "volume.kubernetes.io/storage-provisioner": _LOCAL_PATH,
    }
    bound = {
        **claim,
        "metadata": {**claim["metadata"], "annotations": notes},
        "spec": {**claim["spec"], "volumeName": volume["metadata"]["name"]},
        "status": {
            "phase": "Bound",
            "accessModes": volume["spec"]["accessModes"],
            "capacity": volume["spec"]["capacity"],
        },
    }
    change.put(key, bound)


def _volume(key: Key, claim: Object, node: str) -> Object:
    uid = claim["metadata"]["uid"]
    name = f"pvc-{uid}"
    size = claim["spec"].get("resources", {}).get("requests", {}).get("storage", "1Gi")
    terms = [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [node]}]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": now(),
            "annotations": {SELECTED_NODE: node, "pv.kubernetes.io/provisioned-by": _LOCAL_PATH},
            "finalizers": ["kubernetes.io/pv-protection"],
        },
        "spec": {
            "accessModes": claim["spec"].get("accessModes", ["ReadWriteOnce"]),
            "capacity": {"storage": size},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": key[2],
                "name": key[3],
                "uid": uid,
            },
            "hostPath": {
                "path": f"{STORAGE}/{name}_{key[2]}_{key[3]}",
                "type": "DirectoryOrCreate",
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": claim["spec"]["storageClassName"],
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Bound"},
    }
