"""How pods of the stand-in end, and what follows from that for claims and volumes.

- A pod that is deleted, or evicted, stays until its containers have ended: at most its
  `terminationGracePeriodSeconds`, 30 if it says nothing. A program that minds SIGTERM takes
  `_ENDS_AFTER` seconds here, one with the annotation `stand-in/ignores-sigterm` all of them; where
  no container runs, there is none to wait for. A pod that no node has yet goes at once
  (kubernetes, pkg/registry/core/pod/strategy.go, `CheckGracefulDelete`), and one on a node that is
  down stays.
- Pods of a node that is gone are collected (pkg/controller/podgc); those of a node that is lost are
  not Ready any more (pkg/controller/nodelifecycle).
- A claim that a placed pod uses is only marked as deleted (pkg/controller/volume/pvcprotection).
  With it goes its volume, once its node, if there still is one, can clean up after it
  (local-path-provisioner, provisioner.go, `deleteFor`).
"""

from __future__ import annotations

import time

from .log import now, seconds_of, stamp
from .members import Transaction
from .scheduling import SELECTED_NODE, claims_of
from .store import Key, Object
from .troubles import asked_of, play

IGNORES_SIGTERM = "stand-in/ignores-sigterm"
PROTECTION = "kubernetes.io/pvc-protection"
GRACE = 30

_ENDS_AFTER = 2.0


def marked_as_leaving(pod: Object, options: Object) -> Object | None:
    """Return a pod as it is once its deletion was asked for; None if it goes at once."""
    own = pod["spec"].get("terminationGracePeriodSeconds", GRACE)
    grace = options.get("gracePeriodSeconds", own)
    done = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if not grace or done or not pod["spec"].get("nodeName"):
        return None
    if not stays(pod):
        return pod
    gone = stamp(time.time() + grace)
    about = {"deletionTimestamp": gone, "deletionGracePeriodSeconds": grace}
    return {**pod, "metadata": {**pod["metadata"], **about}}


def stays(obj: Object) -> bool:
    """Whether nobody has asked for its deletion."""
    return "deletionTimestamp" not in obj["metadata"]


def is_ready(pod: Object) -> bool:
    """Whether a pod is Ready, and not about to end."""
    return _condition(pod, "Ready").get("status") == "True" and stays(pod)


def pass_time(change: Transaction, moment: float) -> None:
    """Do what kubelets and collectors have done by now, in seconds since 1970."""
    nodes = {node["metadata"]["name"]: node for _, node in change.listed("", "nodes")}
    for key, pod in change.listed("", "pods"):
        at = pod["spec"].get("nodeName")
        if not at:
            continue
        down = at in nodes and is_down(nodes[at])
        ended = not stays(pod) and not down and moment >= _end_of(pod)
        if at not in nodes or ended:
            change.delete(key)
        elif not stays(pod) or (down and asked_of(pod)):
            continue
        elif asked_of(pod):
            play(change, key, pod, moment)
        else:
            _set_ready(change, key, pod, "False" if down else "True")
    _let_claims_go(change)
    _clean_up_volumes(change, nodes)


def _end_of(pod: Object) -> float:
    meta = pod["metadata"]
    gone = seconds_of(meta["deletionTimestamp"])
    grace = float(meta["deletionGracePeriodSeconds"])
    if asked_of(pod):
        return gone - grace
    stubborn = IGNORES_SIGTERM in (meta.get("annotations") or {})
    return gone if stubborn else gone - grace + min(grace, _ENDS_AFTER)


def is_down(node: Object) -> bool:
    """Whether a node's kubelet is silent; one that never said anything is taken for well."""
    return bool(_condition(node, "Ready").get("status", "True") == "Unknown")


def _condition(obj: Object, kind: str) -> Object:
    told = (obj.get("status") or {}).get("conditions") or ()
    found: Object = next((each for each in told if each["type"] == kind), {})
    return found


def _set_ready(change: Transaction, key: Key, pod: Object, ready: str) -> None:
    if _condition(pod, "Ready").get("status") in (None, ready):
        return
    told = [
        {**each, "status": ready, "lastTransitionTime": now()} if each["type"] == "Ready" else each
        for each in pod["status"]["conditions"]
    ]
    change.put(key, {**pod, "status": {**pod["status"], "conditions": told}})


def _let_claims_go(change: Transaction) -> None:
    used = {
        key
        for _, pod in change.listed("", "pods")
        if pod["spec"].get("nodeName")
        for key, _ in claims_of(change, pod)
    }
    for key, claim in change.listed("", "persistentvolumeclaims"):
        finalizers = claim["metadata"].get("finalizers") or ()
        if not stays(claim) and key not in used and PROTECTION in finalizers:
            left = [each for each in finalizers if each != PROTECTION]
            if left:
                change.put(key, {**claim, "metadata": {**claim["metadata"], "finalizers": left}})
            else:
                change.delete(key)


def _clean_up_volumes(change: Transaction, nodes: Object) -> None:
    claims = {claim["metadata"]["uid"] for _, claim in change.listed("", "persistentvolumeclaims")}
    for key, volume in change.listed("", "persistentvolumes"):
        at = (volume["metadata"].get("annotations") or {}).get(SELECTED_NODE)
        claimed = (volume["spec"].get("claimRef") or {}).get("uid") in claims
        if at is None or claimed:
            continue
        deleted = volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
        cleaned = at not in nodes or not is_down(nodes[at])
        if (deleted and cleaned) or not stays(volume):
            change.delete(key)
        elif volume["status"].get("phase") != "Released":
            change.put(key, {**volume, "status": {"phase": "Released"}})
