"""Troubles that a pod of the stand-in can be asked to be in, by its annotation `stand-in/trouble`.

It then has the status, the events and the log of that trouble, as they are on a real cluster as
time goes by (`scenes`), so that waiting for it can be tested. `stand-in/log` is what its container
has printed.
"""

from __future__ import annotations

import uuid

from . import scenes
from .log import now, seconds_of
from .members import Transaction
from .scenes import Happened
from .store import Key, Object

TROUBLE, LOG = "stand-in/trouble", "stand-in/log"
NO_VOLUME, NO_ROOM = "unschedulable", "no-room"
NOWHERE = (NO_VOLUME, NO_ROOM)
"""With these, no node takes the pod."""

_NO_CLASS = 'storageclass.storage.k8s.io "no-such-class" not found'
_UNBOUND = "pod has unbound immediate PersistentVolumeClaims"


def marks_of(workload: Object) -> Object:
    """Return the annotations that ask for a trouble: the workload's own, or its template's."""
    template = workload["spec"].get("template", {}).get("metadata") or {}
    notes = {
        **(workload["metadata"].get("annotations") or {}),
        **(template.get("annotations") or {}),
    }
    return {name: notes[name] for name in (TROUBLE, LOG) if notes.get(name)}


def asked_of(pod: Object) -> str:
    """Return which trouble a pod is asked to be in; empty if it is none that is known."""
    asked = str((pod["metadata"].get("annotations") or {}).get(TROUBLE, ""))
    return asked if asked in scenes.TROUBLES or asked in NOWHERE else ""


def play(change: Transaction, key: Key, pod: Object, moment: float) -> None:
    """Bring a placed pod that is in trouble to how it is at a moment, in seconds since 1970."""
    began = (pod.get("status") or {}).get("startTime") or now()
    seen = scenes.scene(asked_of(pod), pod, max(0.0, moment - seconds_of(began)))
    status = _dated(seen.status, began)
    if pod.get("status") != status:
        change.put(key, {**pod, "status": status})
    for happened in seen.events:
        event(change, ("Pod", *key[2:]), happened)


def _dated(status: Object, began: str) -> Object:
    """Return a status with its times.

    The kubelet writes Ready, as False, in the second in which it writes when the pod started.
    """
    conditions = [{**each, "lastTransitionTime": began} for each in status["conditions"]]
    containers = [
        {**each, "state": {"running": {"startedAt": began}}} if "running" in each["state"] else each
        for each in status["containerStatuses"]
    ]
    times = {"startTime": began, "conditions": conditions}
    return {**status, **times, "containerStatuses": containers}


def without_volume(change: Transaction, key: Key, pod: Object) -> str:
    """Have a pod's claims unbound for ever, with their events; return what the scheduler says."""
    said = Happened("Warning", "ProvisioningFailed", _NO_CLASS, "persistentvolume-controller", 3)
    for volume in pod["spec"].get("volumes") or ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        place: Key = ("", "persistentvolumeclaims", key[2], claim)
        live = change.get(place) if claim else None
        if claim:
            event(change, ("PersistentVolumeClaim", key[2], claim), said)
        if live is not None and live["status"] != {"phase": "Pending"}:
            change.put(place, {**live, "status": {"phase": "Pending"}})
    return _UNBOUND


def event(change: Transaction, about: tuple[str, str, str], happened: Happened) -> None:
    """Note an event about an object (kind, namespace, name); one that recurs is counted."""
    kind, space, name = about
    number = uuid.uuid5(uuid.NAMESPACE_OID, happened.reason + happened.message).hex[:16]
    key: Key = ("", "events", space, f"{name}.{number}")
    old = change.get(key)
    if old is not None and old["count"] == happened.count:
        return
    first = old["firstTimestamp"] if old else now()
    meta = {"name": key[3], "namespace": space, "uid": str(uuid.uuid4())}
    change.put(
        key,
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"creationTimestamp": now(), **meta},
            "involvedObject": {"kind": kind, "namespace": space, "name": name},
            "type": happened.kind,
            "reason": happened.reason,
            "message": happened.message,
            "source": {"component": happened.source},
            "count": happened.count,
            "firstTimestamp": first,
            "lastTimestamp": now(),
        },
    )


def forget_events(change: Transaction, kind: str, key: Key) -> None:
    """Take out what was said about an object."""
    for place, said in change.listed("", "events", key[2]):
        about = said["involvedObject"]
        if (about["kind"], about.get("name")) == (kind, key[3]):
            change.delete(place)
