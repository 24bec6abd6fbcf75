"""Pods that the stand-in's controllers make for workloads, as many and as new as these want."""

from __future__ import annotations

import hashlib
import json
import uuid

from .lifetime import GRACE, is_ready, stays
from .log import now
from .members import Transaction
from .scheduling import place, schedule
from .store import Key, Object
from .troubles import NOWHERE, asked_of, forget_events, marks_of


def alike(change: Transaction, owner: Object, labels: Object, notes: Object) -> list[Object]:
    """Have as many pods as a ReplicaSet wants, whichever they are; return those that stay.

    One that is about to end does not count, so that its successor is made at once.
    """
    staying = [each for each in pods_of(change, owner) if stays(each[1])]
    wanted = owner["spec"]["replicas"]
    fitting = [each for each in staying if has(each[1], notes=notes)][:wanted]
    for key, pod in staying:
        if (key, pod) not in fitting:
            _drop(change, key)
    for _ in range(wanted - len(fitting)):
        name = f"{owner['metadata']['name']}-{uuid.uuid4().hex[:5]}"
        _make(change, owner, name, labels, notes)
    schedule(change)
    return [pod for _, pod in pods_of(change, owner) if stays(pod)]


def numbered(
    change: Transaction, owner: Object, labels: Object, notes: Object, *, ordered: bool
) -> list[Object]:
    """Have the pods of a StatefulSet, each with its own name; return those that are there.

    A name is free only once its pod has ended altogether. `ordered` (`OrderedReady`, the default):
    as long as one is not Ready, no later one is made, and none is replaced by one of a newer
    revision, itself included. The way out of that is to delete it (kubernetes.io, "Forced
    rollback"; kubernetes/pkg/controller/statefulset/stateful_set_control.go).
    """
    have = {pod["metadata"]["name"]: (key, pod) for key, pod in pods_of(change, owner)}
    names = [f"{owner['metadata']['name']}-{n}" for n in range(owner["spec"]["replicas"])]
    for name in [each for each in have if each not in names]:
        _drop(change, have.pop(name)[0])
    for name in names:
        key, pod = have.get(name, (None, None))
        if key is not None and pod is not None and _is_to_go(pod, labels, notes, ordered=ordered):
            _drop(change, key)
            pod = None
        if pod is None:
            pod = _make(change, owner, name, labels, notes)
        if ordered and not is_ready(pod):
            break
    return [pod for _, pod in pods_of(change, owner)]


def _is_to_go(pod: Object, labels: Object, notes: Object, *, ordered: bool) -> bool:
    if has(pod, labels=labels):
        return not has(pod, notes=notes)
    return is_ready(pod) or not ordered


def one_per_node(change: Transaction, owner: Object, labels: Object, notes: Object) -> list[Object]:
    """Have the pods of a DaemonSet: one on every node, cordoned ones included."""
    name = owner["metadata"]["name"]
    wanted = {f"{name}-{key[3]}": key[3] for key, _ in change.listed("", "nodes")}
    for key, pod in pods_of(change, owner):
        if key[3] not in wanted or not has(pod, labels=labels, notes=notes):
            _drop(change, key)
    for own, node in wanted.items():
        key = ("", "pods", owner["metadata"]["namespace"], own)
        if change.get(key) is None:
            made = change.put(key, _pod(owner, key, labels, notes))
            if asked_of(made) not in NOWHERE:
                place(change, key, made, node)
    schedule(change)
    return [pod for _, pod in pods_of(change, owner)]


def pods_of(change: Transaction, owner: Object) -> list[tuple[Key, Object]]:
    """Return the pods that belong to an object."""
    uid, space = owner["metadata"]["uid"], owner["metadata"]["namespace"]
    return [
        (key, pod)
        for key, pod in change.listed("", "pods", space)
        if any(ref["uid"] == uid for ref in pod["metadata"].get("ownerReferences") or ())
    ]


def has(pod: Object, *, labels: Object | None = None, notes: Object | None = None) -> bool:
    """Whether a pod has these labels, and is asked for the same trouble."""
    own = pod["metadata"].get("labels") or {}
    asked = {"spec": {"template": {"metadata": pod["metadata"]}}, "metadata": {}}
    return all(own.get(name) == value for name, value in (labels or {}).items()) and (
        notes is None or marks_of(asked) == notes
    )


def digest(template: Object) -> str:
    """Return what tells pods of one template from those of another, as in their names."""
    text = json.dumps(template, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:10]


def owned_by(owner: Object) -> Object:
    """Return the reference to an object that controls another."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }


def _make(change: Transaction, owner: Object, name: str, labels: Object, notes: Object) -> Object:
    key: Key = ("", "pods", owner["metadata"]["namespace"], name)
    change.put(key, _pod(owner, key, labels, notes))
    schedule(change)
    made = change.get(key)
    assert made is not None
    return made


def _drop(change: Transaction, key: Key) -> None:
    change.delete(key)
    forget_events(change, "Pod", key)


def _pod(owner: Object, key: Key, labels: Object, notes: Object) -> Object:
    template = owner["spec"]["template"]
    about = template.get("metadata") or {}
    volumes = list(template["spec"].get("volumes") or ())
    for claim in owner["spec"].get("volumeClaimTemplates") or ():
        name = claim["metadata"]["name"]
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{key[3]}"}})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": key[3],
            "namespace": key[2],
            "uid": str(uuid.uuid4()),
            "creationTimestamp": now(),
            "labels": {**(about.get("labels") or {}), **labels},
            "annotations": {**(about.get("annotations") or {}), **notes},
            "ownerReferences": [owned_by(owner)],
        },
        "spec": {
            "terminationGracePeriodSeconds": GRACE,
            **template["spec"],
            "volumes": volumes,
        },
        "status": {"phase": "Pending"},
    }
