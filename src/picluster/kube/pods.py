"""Pods as Kubernetes sees them, and what keeps one from running, in words with a fix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from picluster.errors import PiclusterError
from picluster.kube.api import Api, Object, segment
from picluster.kube.times import moment
from picluster.secret import redact

_LOG_LINES = 15
_CRASHES = 3
_SAME_SECOND = 1.0
_PULLING = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container: whether it is ready, why it waits, how often and why it ended."""

    name: str
    image: str = ""
    ready: bool = False
    waiting: str = ""
    message: str = ""
    running: bool = False
    restarts: int = 0
    ended: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod as last reported; `unscheduled` is the scheduler's reason, `claims` its volumes'.

    `revision` is which version of its StatefulSet it is of. `never_ready` is whether it was not
    ready once since it was made.
    """

    namespace: str
    name: str
    phase: str
    ready: bool
    node: str = ""
    unscheduled: str = ""
    containers: tuple[ContainerState, ...] = ()
    claims: tuple[str, ...] = ()
    leaving: bool = False
    revision: str = ""
    never_ready: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a pod from running.

    `lasting` is whether waiting longer is in vain; `container` whose log says more, if one's does.
    """

    what: str
    fix: str
    lasting: bool
    container: str = ""


def pod_state(pod: Mapping[str, Any]) -> PodState:
    """Read one pod object."""
    meta, spec, status = (pod.get(part) or {} for part in ("metadata", "spec", "status"))
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    statuses = [*(status.get("initContainerStatuses") or [])]
    statuses += status.get("containerStatuses") or []
    claims = [(volume.get("persistentVolumeClaim") or {}) for volume in spec.get("volumes") or []]
    return PodState(
        namespace=meta.get("namespace", ""),
        name=meta.get("name", ""),
        phase=status.get("phase", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        node=spec.get("nodeName", ""),
        unscheduled=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        containers=tuple(map(_container, statuses)),
        claims=tuple(claim["claimName"] for claim in claims if claim),
        leaving=bool(meta.get("deletionTimestamp")),
        revision=(meta.get("labels") or {}).get("controller-revision-hash", ""),
        never_ready=_never_ready(conditions.get("Ready") or {}, status.get("startTime")),
    )


def _never_ready(ready: Mapping[str, Any], started: str | None) -> bool:
    """Judge the condition Ready: it changes when a pod gets ready, and when it no longer is.

    The kubelet first writes it, as False, in the second in which it writes when the pod started.
    """
    if ready.get("status") == "True":
        return False
    began, changed = moment(started), moment(ready.get("lastTransitionTime"))
    return began is None or changed is None or changed - began <= _SAME_SECOND


def _container(status: Mapping[str, Any]) -> ContainerState:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or last.get("terminated") or {}
    return ContainerState(
        name=status.get("name", ""),
        image=status.get("image", ""),
        ready=bool(status.get("ready")),
        waiting=waiting.get("reason", ""),
        message=redact(" ".join(str(waiting.get("message") or "").split())),
        running=bool(state.get("running")),
        restarts=int(status.get("restartCount") or 0),
        ended=ended.get("reason", ""),
        exit_code=ended.get("exitCode"),
    )


def list_pods(api: Api, namespace: str, labels: Mapping[str, str]) -> list[PodState]:
    """Return the pods of a namespace that have these labels; those being deleted are included."""
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    listed = api.call(
        "GET", f"/api/v1/namespaces/{segment(namespace)}/pods", query={"labelSelector": selector}
    )
    return [pod_state(item) for item in listed.get("items") or []]


def delete_pod(api: Api, pod: PodState) -> None:
    """Delete a pod, gracefully; its workload makes it anew."""
    api.call("DELETE", _path(pod))


def trouble_of(pod: PodState) -> Trouble | None:
    """Judge what keeps a pod from running; None if nothing is known to."""
    if pod.unscheduled:
        return _unscheduled(pod.unscheduled)
    for container in pod.containers:
        found = _trouble_in(container)
        if found is not None:
            return found
    return None


def _trouble_in(container: ContainerState) -> Trouble | None:
    if container.waiting in _PULLING:
        return _pull_trouble(container)
    if container.waiting in ("CreateContainerConfigError", "CreateContainerError"):
        return Trouble(
            f"{container.name} cannot be created: {container.message or container.waiting}",
            "it names a Secret, ConfigMap or key that is not there; make it, or correct the name",
            lasting=True,
        )
    crashing = container.waiting == "CrashLoopBackOff" or (
        not container.ready and bool(container.ended) and not container.waiting
    )
    if crashing and container.restarts >= _CRASHES:
        return _crash(container)
    return None


def _crash(container: ContainerState) -> Trouble:
    times = f"{container.name} ended {container.restarts} times"
    if container.ended == "OOMKilled":
        fix = "it needs more memory than its limit allows: raise the limit, or free the node"
        return Trouble(f"{times}, killed for its memory", fix, lasting=True)
    status = "" if container.exit_code is None else f", the last time with {container.exit_code}"
    fix = "its log, quoted here, says why"
    return Trouble(f"{times}{status}", fix, lasting=True, container=container.name)


_PULL_CAUSES: tuple[tuple[str, str, str, bool], ...] = (
    (
        r"not found|manifest unknown|does not exist",
        "the registry does not have it",
        "push the image, or correct its name; picluster's own come by `picluster phase build`",
        True,
    ),
    (
        r"HTTP response to HTTPS client",
        "the node takes the registry for one that speaks HTTPS",
        "lay registries.yaml down anew: `picluster phase k3s`",
        True,
    ),
    (
        r"x509|certificate",
        "the node does not trust the registry's certificate",
        "lay the authority down anew: `picluster phase k3s`; or set the node's clock",
        True,
    ),
    (
        r"unauthorized|authentication required|denied",
        "the registry wants a login that the node does not have",
        "check registry.username and password, then `picluster phase k3s`; or the image's name",
        True,
    ),
    (
        r"toomanyrequests|rate limit",
        "the registry limits how much may be pulled",
        "wait for the limit to pass, or put the image into the cluster's own registry",
        False,
    ),
    (
        r"no such host|i/o timeout|connection refused|no route|unreachable|deadline exceeded",
        "the node cannot reach the registry",
        "check the node's way to it, and its DNS",
        False,
    ),
    (
        r"no match for platform|exec format",
        "the image is not for this machine's processor",
        "build it for it, or pin the pod to other nodes",
        True,
    ),
)


def _pull_trouble(container: ContainerState) -> Trouble:
    said = f"the image {container.image} of {container.name} cannot be pulled"
    if container.waiting == "InvalidImageName":
        return Trouble(f"{said}: that is no image's name", "correct its name", lasting=True)
    for pattern, cause, fix, lasting in _PULL_CAUSES:
        if re.search(pattern, container.message, re.IGNORECASE):
            return Trouble(f"{said}: {cause}", fix, lasting)
    fix = "the events quoted here say why"
    return Trouble(f"{said}: {container.message or container.waiting}", fix, lasting=False)


_UNSCHEDULED: tuple[tuple[str, str, bool], ...] = (
    (
        r"unbound immediate PersistentVolumeClaims|waiting for.*volume",
        "its volume is not there yet: `kubectl describe pvc` says why",
        False,
    ),
    (r"Insufficient (memory|cpu)", "free memory or CPU on a node, or add a node", True),
    (
        r"volume node affinity|PersistentVolume's node affinity",
        "the node that has its volume is away or cordoned: bring it back; if it is gone for good, "
        "`picluster node remove` or `node replace` gives the volume up by name",
        True,
    ),
    (r"taint", "take the taint off a node, or give the pod a toleration", True),
    (r"affinity|selector", "label a node as the pod wants it, or change what it wants", True),
    (r"free ports", "another pod has that port on every node", True),
)


def _unscheduled(message: str) -> Trouble:
    text = redact(" ".join(message.split()))
    for pattern, fix, lasting in _UNSCHEDULED:
        if re.search(pattern, text, re.IGNORECASE):
            return Trouble(f"no node takes it: {text}", fix, lasting)
    fix = "`kubectl describe pod` says what each node lacks"
    return Trouble(f"no node takes it: {text}", fix, lasting=False)


def quote_log(api: Api, pod: PodState, container: str) -> str:
    """Return the end of a container's log, of its last run if it ended. Never raises."""
    for previous in ("true", "false"):
        query = {"container": container, "tailLines": str(_LOG_LINES), "previous": previous}
        try:
            text = api.call("GET", f"{_path(pod)}/log", query=query, retry=False)
        except PiclusterError as error:
            reason = error.why or error.what
            continue
        if isinstance(text, str) and text.strip():
            return f"log of {pod.name}/{container}:\n{redact(text.strip())}"
        reason = "it is empty"
    return f"log of {pod.name}/{container} could not be read: {reason}"


def _path(pod: PodState) -> str:
    return f"/api/v1/namespaces/{segment(pod.namespace)}/pods/{segment(pod.name)}"


def claim_trouble(claim: Object, events: Sequence[Any]) -> Trouble | None:
    """Judge why a volume claim is pending, from its events; None if it is not, or nobody says."""
    name = claim["metadata"]["name"]
    if (claim.get("status") or {}).get("phase") == "Bound":
        return None
    for event in reversed(events):
        if event.reason not in ("ProvisioningFailed", "FailedBinding", "VolumeFailed"):
            continue
        missing = re.search(r"storageclass.*not found|no persistent volumes", event.message)
        fix = (
            "name a StorageClass that the cluster has; `picluster phase longhorn` makes Longhorn's"
            if missing
            else "look at the storage system's pods; too little free space is the usual cause"
        )
        return Trouble(f"volume {name} is not made: {event.message}", fix, lasting=True)
    return None
