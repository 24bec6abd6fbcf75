"""What the stand-in makes of workloads: status, volume claims, and pods that are in trouble.

It runs nothing. Every workload is ready at once, unless its annotation `stand-in/trouble`, or that
of its pods' template, names one of `TROUBLES`: then it has a pod with the status, the events and
the log of that trouble, so that waiting for it can be tested. `stand-in/log` is what the pod's
container has printed.
"""

from __future__ import annotations

import json
import uuid
import zlib

from .log import now
from .members import Transaction
from .store import Key, Object

TROUBLE, LOG = "stand-in/trouble", "stand-in/log"
_REVISION = "controller-revision-hash"

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
    """Give a Deployment or a ReplicaSet its status and pods."""
    spec = {**obj["spec"]}
    spec.setdefault("replicas", 1)
    count, generation = spec["replicas"], obj["metadata"].get("generation", 1)
    ready = 0 if _pod_in_trouble(change, obj) else count
    status: Object = {
        "observedGeneration": generation,
        "replicas": count,
        "readyReplicas": ready,
        "updatedReplicas": count,
        "availableReplicas": ready,
    }
    return {**obj, "spec": spec, "status": status}


def stateful_set(change: Transaction, obj: Object) -> Object:
    """Give a StatefulSet its status, claims and pod.

    Of `OrderedReady`, the default, a pod of an older revision that is not ready is not replaced:
    the controller waits for it to become ready first, for ever (kubernetes.io, "Forced rollback";
    kubernetes/pkg/controller/statefulset/stateful_set_control.go). Deleted, it comes back as the
    newest revision wants it.
    """
    spec = {**obj["spec"]}
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    _claims(change, obj)
    meta, count = obj["metadata"], spec["replicas"]
    template = json.dumps(spec["template"], sort_keys=True)
    wanted = f"{meta['name']}-{zlib.crc32(template.encode()):08x}"
    pod = change.get(("", "pods", meta["namespace"], f"{meta['name']}-0"))
    ordered = spec["podManagementPolicy"] == "OrderedReady"
    if pod is not None and ordered and pod["metadata"]["labels"][_REVISION] != wanted:
        ready, updated = 0, 0
    else:
        ready, updated = 0 if _pod_in_trouble(change, obj, wanted) else count, count
    before = (obj.get("status") or {}).get("currentRevision", wanted)
    status: Object = {
        "observedGeneration": meta.get("generation", 1),
        "replicas": count,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "updatedReplicas": updated,
        "currentReplicas": count - updated if ready < count else count,
        "currentRevision": wanted if ready == count else before,
        "updateRevision": wanted,
    }
    return {**obj, "spec": spec, "status": status}


def pod_gone(change: Transaction, pod: Object) -> None:
    """Have a StatefulSet make a pod anew that was deleted, while it is there itself."""
    meta = pod["metadata"]
    for owner in meta.get("ownerReferences") or ():
        key = ("apps", "statefulsets", meta["namespace"], owner["name"])
        live = change.get(key) if owner["kind"] == "StatefulSet" else None
        if live is not None:
            change.put(key, stateful_set(change, live))


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


def _pod_in_trouble(change: Transaction, obj: Object, revision: str = "") -> bool:
    """Have a pod in the trouble that is asked for, and none otherwise; return whether it is."""
    meta = obj["metadata"]
    space, name = meta["namespace"], f"{meta['name']}-{'0' if revision else 'stuck'}"
    own = (obj["spec"]["template"].get("metadata") or {}).get("annotations") or {}
    notes = {**(meta.get("annotations") or {}), **own}
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
            "labels": {
                **((template.get("metadata") or {}).get("labels") or {}),
                **({_REVISION: revision} if revision else {}),
            },
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
    # The kubelet writes Ready, as False, in the second in which it writes when the pod started.
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": now()}
    return {
        "phase": "Pending",
        "startTime": now(),
        "conditions": [ready],
        "containerStatuses": [one],
    }


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
