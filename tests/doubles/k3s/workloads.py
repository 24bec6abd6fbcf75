"""What the stand-in makes of workloads: status, volume claims and pods.

It runs nothing. A workload is ready as soon as its pods have found their nodes (and at once where
there is no node, as before the first one of a cluster registers), unless its annotation
`stand-in/trouble`, or that of its pods' template, asks for one of `troubles`.
"""

from __future__ import annotations

import uuid

from .lifetime import PROTECTION, is_ready
from .log import now, seconds_of
from .members import Transaction
from .pods import alike, digest, has, numbered, one_per_node, owned_by, pods_of
from .scenes import BACKOFF_LIMIT, FAILING, failed_pods
from .scheduling import waits_for_consumer
from .store import Key, Object
from .troubles import TROUBLE, marks_of

_HASH, _REVISION = "pod-template-hash", "controller-revision-hash"


def replicated(change: Transaction, obj: Object) -> Object:
    """Give a Deployment or a ReplicaSet its status and pods."""
    spec = {**obj["spec"]}
    count = spec.setdefault("replicas", 1)
    obj = {**obj, "spec": spec}
    ready = count
    if change.listed("", "nodes"):
        mark = {_HASH: digest(spec["template"])} if obj["kind"] == "Deployment" else {}
        owner = _replica_set(change, obj, mark[_HASH]) if mark else obj
        ready = sum(map(is_ready, alike(change, owner, mark, marks_of(obj))))
    status: Object = {
        "observedGeneration": obj["metadata"].get("generation", 1),
        "replicas": count,
        "readyReplicas": ready,
        "updatedReplicas": count,
        "availableReplicas": ready,
    }
    return {**obj, "status": status}


def _replica_set(change: Transaction, obj: Object, revision: str) -> Object:
    """Return the ReplicaSet of a Deployment's present template; those of others go."""
    meta = obj["metadata"]
    name = f"{meta['name']}-{revision}"
    for place, other in change.listed("apps", "replicasets", meta["namespace"]):
        owners = [each["uid"] for each in other["metadata"].get("ownerReferences") or ()]
        if meta["uid"] in owners and place[3] != name:
            for pod, _ in pods_of(change, other):
                change.delete(pod)
            change.delete(place)
    key: Key = ("apps", "replicasets", meta["namespace"], name)
    live = change.get(key)
    count = obj["spec"]["replicas"]
    if live is not None and live["spec"]["replicas"] == count:
        return live
    made: Object = live or {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "uid": str(uuid.uuid4()),
            "creationTimestamp": now(),
            "ownerReferences": [owned_by(obj)],
        },
        "spec": {"selector": obj["spec"].get("selector"), "template": obj["spec"]["template"]},
    }
    return change.put(key, {**made, "spec": {**made["spec"], "replicas": count}})


def stateful_set(change: Transaction, obj: Object) -> Object:
    """Give a StatefulSet its status, claims and pods."""
    spec = {**obj["spec"]}
    count = spec.setdefault("replicas", 1)
    policy = spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    obj = {**obj, "spec": spec}
    _claims(change, obj)
    revision, name = digest(spec["template"]), obj["metadata"]["name"]
    mark = {_REVISION: f"{name}-{revision}"}
    ready = updated = count
    if change.listed("", "nodes"):
        ordered = policy == "OrderedReady"
        have = numbered(change, obj, mark, marks_of(obj), ordered=ordered)
        ready = sum(map(is_ready, have))
        updated = sum(has(pod, labels=mark) for pod in have)
    before = (obj.get("status") or {}).get("currentRevision", mark[_REVISION])
    status: Object = {
        "observedGeneration": obj["metadata"].get("generation", 1),
        "replicas": count,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "updatedReplicas": updated,
        "currentReplicas": count - updated if ready < count else count,
        "currentRevision": mark[_REVISION] if ready == count == updated else before,
        "updateRevision": mark[_REVISION],
    }
    return {**obj, "status": status}


def daemon_set(change: Transaction, obj: Object) -> Object:
    """Give a DaemonSet its status, and a pod on every node."""
    have = one_per_node(change, obj, {_REVISION: digest(obj["spec"]["template"])}, marks_of(obj))
    names = ("desired", "current", "updated")
    ready = sum(map(is_ready, have))
    status: Object = {f"{name}NumberScheduled": len(have) for name in names}
    status |= {"numberReady": ready, "numberAvailable": ready, "numberMisscheduled": 0}
    return {**obj, "status": {**status, "observedGeneration": obj["metadata"].get("generation", 1)}}


def job(change: Transaction, obj: Object, moment: float) -> Object:
    """Give a Job its status, at a moment in seconds since 1970: done at once, unless in trouble."""
    old = obj.get("status") or {}
    times = {"startTime": now(), **old}
    trouble = marks_of(obj).get(TROUBLE)
    if trouble and change.listed("", "nodes"):
        (pod,) = alike(change, {**obj, "spec": {**obj["spec"], "replicas": 1}}, {}, marks_of(obj))
        began = (pod.get("status") or {}).get("startTime") or now()
        status = _tried(obj, moment - seconds_of(began)) if trouble == FAILING else {"active": 1}
        return {**obj, "status": {"startTime": times["startTime"], **status}}
    told = {"type": "Complete", "status": "True", "reason": "CompletionsReached"}
    times = {"completionTime": now(), **times}
    return {**obj, "status": {**times, "succeeded": 1, "conditions": [told]}}


def _tried(obj: Object, age: float) -> Object:
    """Return the status of a Job whose pods fail; it is given up in the end."""
    failed = failed_pods(age)
    limit = obj["spec"].get("backoffLimit", BACKOFF_LIMIT)
    if failed <= limit:
        return {"active": 1, "failed": failed}
    said = "Job has reached the specified backoff limit"
    gone = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": said}
    return {"failed": limit + 1, "conditions": [gone]}


def stored(change: Transaction, key: Key, obj: Object) -> None:
    """Write an object that a controller makes, unless it is there."""
    if change.get(key) is not None:
        return
    meta = {"uid": str(uuid.uuid4()), "creationTimestamp": now(), **obj["metadata"]}
    change.put(key, {**obj, "metadata": meta})


def _claims(change: Transaction, obj: Object) -> None:
    meta = obj["metadata"]
    for template in obj["spec"].get("volumeClaimTemplates") or ():
        for number in range(obj["spec"]["replicas"]):
            name = f"{template['metadata']['name']}-{meta['name']}-{number}"
            claim = {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": meta["namespace"]},
                "spec": template["spec"],
            }
            key: Key = ("", "persistentvolumeclaims", meta["namespace"], name)
            if change.get(key) is None:
                stored(change, key, claimed(change, claim))


def claimed(change: Transaction, obj: Object) -> Object:
    """Give a claim the default class, and its status: bound, unless it waits for a pod."""
    flag = "storageclass.kubernetes.io/is-default-class"
    default = next(
        (
            key[3]
            for key, each in change.listed("storage.k8s.io", "storageclasses")
            if (each["metadata"].get("annotations") or {}).get(flag) == "true"
        ),
        None,
    )
    spec = {**obj["spec"]}
    if default:
        spec.setdefault("storageClassName", default)
    obj = {**obj, "spec": spec, "metadata": {**obj["metadata"], "finalizers": [PROTECTION]}}
    if spec.get("volumeName"):
        return {**obj, "status": obj.get("status") or {"phase": "Bound"}}
    bound = bool(spec.get("storageClassName")) and not waits_for_consumer(change, obj)
    return {**obj, "status": {"phase": "Bound" if bound else "Pending"}}
