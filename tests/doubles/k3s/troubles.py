"""Troubles that a pod of the stand-in can be asked to be in, by its annotation `stand-in/trouble`.

It then has the status, the events and the log of that trouble, so that waiting for it can be
tested. `stand-in/log` is what its container has printed.
"""

from __future__ import annotations

import uuid

from .log import now
from .members import Transaction
from .store import Key, Object

TROUBLE, LOG = "stand-in/trouble", "stand-in/log"

_NO_IMAGE = 'failed to resolve reference "{image}": {image}: not found'
_NO_CLASS = 'storageclass.storage.k8s.io "no-such-class" not found'

_TROUBLES: dict[str, Object] = {
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
}
NO_VOLUME = "unschedulable"
_UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."


def marks_of(workload: Object) -> Object:
    """Return the annotations that ask for a trouble: the workload's own, or its template's."""
    template = workload["spec"]["template"].get("metadata") or {}
    notes = {
        **(workload["metadata"].get("annotations") or {}),
        **(template.get("annotations") or {}),
    }
    return {name: notes[name] for name in (TROUBLE, LOG) if notes.get(name)}


def asked_of(pod: Object) -> str:
    """Return which trouble a pod is asked to be in; empty if it is none that is known."""
    asked = str((pod["metadata"].get("annotations") or {}).get(TROUBLE, ""))
    return asked if asked in _TROUBLES or asked == NO_VOLUME else ""


def status_in(trouble: str, pod: Object) -> Object:
    """Return the status of a placed pod that is in trouble."""
    about = _TROUBLES[trouble]
    container = pod["spec"]["containers"][0]
    waiting = about["state"]["waiting"]
    message = waiting["message"].format(image=container["image"])
    one = {
        "name": container["name"],
        "image": container["image"],
        "ready": False,
        "restartCount": about.get("restartCount", 0),
        "state": {"waiting": {**waiting, "message": message}},
        "lastState": about.get("lastState", {}),
    }
    # The kubelet writes Ready, as False, in the second in which it writes when the pod started.
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": now()}
    return {
        "phase": "Pending",
        "startTime": now(),
        "conditions": [ready],
        "containerStatuses": [one],
    }


def tell(change: Transaction, trouble: str, key: Key, pod: Object) -> None:
    """Make the events of a placed pod's trouble."""
    reason, message = _TROUBLES[trouble]["event"]
    said = message.format(image=pod["spec"]["containers"][0]["image"])
    event(change, ("Pod", *key[2:]), reason, said)


def without_volume(change: Transaction, key: Key, pod: Object) -> str:
    """Have a pod's claims unbound for ever, with their events; return what the scheduler says."""
    for volume in pod["spec"].get("volumes") or ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        place: Key = ("", "persistentvolumeclaims", key[2], claim)
        live = change.get(place) if claim else None
        if claim:
            event(change, ("PersistentVolumeClaim", key[2], claim), "ProvisioningFailed", _NO_CLASS)
        if live is not None and live["status"] != {"phase": "Pending"}:
            change.put(place, {**live, "status": {"phase": "Pending"}})
    return _UNBOUND


def event(change: Transaction, about: tuple[str, str, str], reason: str, said: str) -> None:
    """Note an event about an object (kind, namespace, name), or that it says something new."""
    kind, space, name = about
    key: Key = ("", "events", space, f"{name}.{reason.lower()}")
    live = change.get(key)
    if live is not None and live["message"] == said:
        return
    change.put(
        key,
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": key[3],
                "namespace": space,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now(),
            },
            "involvedObject": {"kind": kind, "namespace": space, "name": name},
            "type": "Warning",
            "reason": reason,
            "message": said,
            "count": 3,
            "lastTimestamp": now(),
        },
    )


def forget_events(change: Transaction, kind: str, key: Key) -> None:
    """Take out what was said about an object."""
    for place, said in change.listed("", "events", key[2]):
        about = said["involvedObject"]
        if (about["kind"], about.get("name")) == (kind, key[3]):
            change.delete(place)
