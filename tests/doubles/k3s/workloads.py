"""What the stand-in makes of workloads: status, volume claims, and pods that are in trouble.

It runs nothing. Every workload is ready at once, unless its annotation `stand-in/trouble` names
one of `TROUBLES`: then it has a pod with the status, the events and the log of that trouble, so
that waiting for it can be tested. `stand-in/log` is what the pod's container has printed.
"""

from __future__ import annotations

import uuid

from .log import now
from .members import Transaction
from .store import Key, Object

TROUBLE, LOG = "stand-in/trouble", "stand-in/log"

_NO_IMAGE = 'failed to resolve reference "{image}": {image}: not found'
_NO_CLASS = 'storageclass.storage.k8s.io "{name}" not found'

TROUBLES: dict[str, Object] = {
    "image-missing": {
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": _NO_IMAGE}},
        "event": ("Failed", f"Failed to pull image: {_NO_IMAGE}"),
    },
    "crash-loop": {
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting"}},
        "lastState": {"terminated": {"reason": "Error", "exitCode": 3}},
        "restartCount": 4,
        "event": ("BackOff", "Back-off restarting failed container"),
    },
    "unschedulable": {
        "event": (
            "FailedScheduling",
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        ),
    },
}


def replicated(change: Transaction, obj: Object) -> Object:
    """Give a Deployment, ReplicaSet or StatefulSet its status, claims and pods."""
    spec = {**obj["spec"]}
    spec.setdefault("replicas", 1)
    _claims(change, obj)
    count, generation = spec["replicas"], obj["metadata"].get("generation", 1)
    ready = 0 if _pod_in_trouble(change, obj) else count
    status: Object = {
        "observedGeneration": generation,
        "replicas": count,
        "readyReplicas": ready,
        "updatedReplicas": count,
        "availableReplicas": ready,
    }
    if obj["kind"] == "StatefulSet":
        status |= {"currentReplicas": count, "currentRevision": "1", "updateRevision": "1"}
    return {**obj, "spec": spec, "status": status}


def daemon_set(change: Transaction, obj: Object) -> Object:
    """Give a DaemonSet its status: a pod on every node."""
    count = sum(1 for _ in change.store.listed("", "nodes"))
    names = ("desired", "current", "updated")
    status: Object = {f"{name}NumberScheduled": count for name in names}
    ready = 0 if _pod_in_trouble(change, obj) else count
    status |= {"numberReady": ready, "numberAvailable": ready, "numberMisscheduled": 0}
    return {**obj, "status": {**status, "observedGeneration": obj["metadata"].get("generation", 1)}}


def stored(change: Transaction, key: Key, obj: Object) -> None:
    """Write an object that a controller makes, unless it is there."""
    if change.get(key) is not None:
        return
    meta = {"uid": str(uuid.uuid4()), "creationTimestamp": now(), **obj["metadata"]}
    change.put(key, {**obj, "metadata": meta})


def _claims(change: Transaction, obj: Object) -> None:
    meta = obj["metadata"]
    for template in obj["spec"].get("volumeClaimTemplates") or ():
        name = f"{template['metadata']['name']}-{meta['name']}-0"
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "spec": template["spec"],
            "status": {"phase": "Bound"},
        }
        stored(change, ("", "persistentvolumeclaims", meta["namespace"], name), claim)


def _pod_in_trouble(change: Transaction, obj: Object) -> bool:
    """Have a pod in the trouble that is asked for, and none otherwise; return whether it is."""
    meta = obj["metadata"]
    space, name = meta["namespace"], f"{meta['name']}-stuck"
    notes = meta.get("annotations") or {}
    trouble = TROUBLES.get(notes.get(TROUBLE, ""))
    change.delete(("", "pods", space, name))
    if trouble is None:
        return False
    template = obj["spec"]["template"]
    container = template["spec"]["containers"][0]
    filled = {"image": container["image"], "name": "no-such-class"}
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": space,
            "labels": dict((template.get("metadata") or {}).get("labels") or {}),
            "annotations": {LOG: notes.get(LOG, "")},
            "ownerReferences": [
                {
                    "apiVersion": obj["apiVersion"],
                    "kind": obj["kind"],
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": template["spec"],
        "status": _status(trouble, container, filled),
    }
    stored(change, ("", "pods", space, name), pod)
    reason, message = trouble["event"]
    _event(change, space, ("Pod", name), (reason, message.format(**filled)))
    for volume in template["spec"].get("volumes") or ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim and "state" not in trouble:
            said = ("ProvisioningFailed", _NO_CLASS.format(**filled))
            _event(change, space, ("PersistentVolumeClaim", claim), said)
            _pending(change, ("", "persistentvolumeclaims", space, claim))
    return True


def _status(trouble: Object, container: Object, filled: Object) -> Object:
    if "state" not in trouble:
        message = trouble["event"][1]
        scheduled = {"type": "PodScheduled", "status": "False", "message": message}
        return {"phase": "Pending", "conditions": [scheduled]}
    waiting = trouble["state"]["waiting"]
    state = {"waiting": {**waiting, "message": waiting["message"].format(**filled)}}
    one = {
        "name": container["name"],
        "image": container["image"],
        "ready": False,
        "restartCount": trouble.get("restartCount", 0),
        "state": state,
        "lastState": trouble.get("lastState", {}),
    }
    return {"phase": "Pending", "containerStatuses": [one]}


def _event(change: Transaction, space: str, about: tuple[str, str], said: tuple[str, str]) -> None:
    (kind, name), (reason, message) = about, said
    stored(
        change,
        ("", "events", space, f"{name}.{reason.lower()}"),
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.{reason.lower()}", "namespace": space},
            "involvedObject": {"kind": kind, "namespace": space, "name": name},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "count": 3,
            "lastTimestamp": now(),
        },
    )


def _pending(change: Transaction, key: Key) -> None:
    claim = change.get(key)
    if claim is not None:
        change.put(key, {**claim, "status": {"phase": "Pending"}})
