"""What keeps a pod, or a volume, from being: read from its status, events and log. Pure.

The words are those of Kubernetes' own sources; picluster.causes translates them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from picluster.causes.cause import Cause, explain
from picluster.causes.images import IMAGES
from picluster.causes.pods import ADMISSION, ENDING, SETTING_UP, VOLUMES
from picluster.causes.scheduling import SCHEDULING
from picluster.kube.api import Object
from picluster.kube.events import EventLine, shortened
from picluster.kube.pods import ContainerState, PodState

PROBE = "probe"
"""The kind of what runs and is not ready: it may be a database in the middle of its first start."""

_CRASHES = 2

# kubernetes pkg/kubelet/images/types.go and pkg/kubelet/kuberuntime/kuberuntime_container.go.
_PULLING = (
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "ImageInspectError",
    "InvalidImageName",
    "RegistryUnavailable",
    "SignatureValidationFailed",
)
_CREATING = (
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "RunContainerError",
    "StartError",
)
# kubernetes pkg/kubelet/events/event.go.
_STUCK = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox")
_NOT_MADE = ("ProvisioningFailed", "FailedBinding", "VolumeFailed")
# What the scheduler adds about making room: the same once more.
_PREEMPTION = re.compile(r" (?:no new claims to deallocate, )?preemption: ")
_TRANSIENT = r"Unavailable|DeadlineExceeded|deadline exceeded|connection refused"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a pod from running.

    `kind` says which trouble it is, whatever its words are at the moment: a kubelet tells of one
    image by turns as `ErrImagePull` and `ImagePullBackOff`. `lasting` is whether waiting longer is
    in vain. `container` is the one that ended and whose log says why, if that is not known: it may
    wait for something that is still coming up.
    """

    kind: str
    what: str
    fix: str
    lasting: bool
    container: str = ""


def trouble_of(pod: PodState) -> Trouble | None:
    """Judge what keeps a pod from running, by its status; None if nothing is known to."""
    if pod.unscheduled:
        return unscheduled(pod.unscheduled)
    if pod.reason == "Evicted":
        return _evicted(pod)
    for container in pod.containers:
        found = _trouble_in(container, pod)
        if found is not None:
            return found
    return None


def _trouble_in(container: ContainerState, pod: PodState) -> Trouble | None:
    if container.waiting in _PULLING:
        return _pull_trouble(container, pod)
    if container.waiting in _CREATING:
        return _creation_trouble(container)
    crashing = container.waiting == "CrashLoopBackOff" or (
        not container.ready and bool(container.ended) and not container.waiting
    )
    failed = pod.phase == "Failed" and bool(container.exit_code)
    if failed or (crashing and container.restarts >= _CRASHES):
        return _crash(container)
    return None


def _pull_trouble(container: ContainerState, pod: PodState) -> Trouble:
    where = f" on {pod.node}" if pod.node else ""
    said = f"the image {container.image} of {container.name} cannot be had{where}"
    cause = explain(f"{container.waiting}: {container.message}", IMAGES)
    why = cause.why if cause else shortened(container.message) or container.waiting
    fix = cause.fix if cause else "the events quoted here say why"
    return Trouble(f"image {container.image}", f"{said}: {why}", fix, _stays(cause))


def _creation_trouble(container: ContainerState) -> Trouble:
    said = container.message or container.waiting
    cause = explain(said, SETTING_UP)
    why = f"{cause.why}: {shortened(said)}" if cause else shortened(said)
    what = f"{container.name} cannot be started: {why}"
    fix = cause.fix if cause else "the events quoted here say why"
    lasting = _stays(cause) if cause else not re.search(_TRANSIENT, said)
    return Trouble(f"start of {container.name}", what, fix, lasting)


def _crash(container: ContainerState) -> Trouble:
    times = f"{container.name} ended"
    if container.restarts:
        times += f" {container.restarts} times"
    kind = f"end of {container.name}"
    if container.ended == "OOMKilled":
        fix = "it needs more memory than its limit allows: raise the limit, or free the node"
        return Trouble(kind, f"{times}, killed for its memory", fix, lasting=True)
    status = "" if container.exit_code is None else f", the last time with {container.exit_code}"
    fix = "its log, quoted here, says why"
    return Trouble(kind, f"{times}{status}", fix, lasting=True, container=container.name)


def with_log(trouble: Trouble, log: str) -> Trouble:
    """Return a crash with what the container's log says of it: the cause if known, and the end."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if not lines:
        return trouble
    cause = explain(log, ENDING)
    if cause is not None:
        what = f"{trouble.what}: {cause.why}"
        return replace(trouble, what=what, fix=cause.fix, lasting=_stays(cause), container="")
    return replace(trouble, what=f"{trouble.what}; it last said: {lines[-1]}")


def _evicted(pod: PodState) -> Trouble:
    where = f" from {pod.node}" if pod.node else ""
    disk = re.search(r"storage|inodes|disk", pod.message, re.IGNORECASE)
    fix = (
        "free some space on the node: `df -h` and `du -xhd1 /var` show where"
        if disk
        else "take something off the node, or give the pod limits that fit it"
    )
    return Trouble("eviction", f"it was evicted{where}: {pod.message}", fix, lasting=True)


def unscheduled(message: str, taints: Mapping[str, Sequence[str]] | None = None) -> Trouble:
    """Judge why the scheduler finds no node for a pod.

    Waiting is in vain only if every reason is one that lasts: a node that is not ready may come
    back. `taints` of the nodes are told where the scheduler does not name them, as it does not
    since Kubernetes 1.35.
    """
    message = _PREEMPTION.split(message)[0]
    reasons = _reasons(message)
    if taints and "untolerated taint(s)" in message:
        named = [f"taint of {node}: {taint}" for node, all_ in taints.items() for taint in all_]
        reasons = [each for each in reasons if "untolerated taint(s)" not in each] + named
        message = f"{message} ({'; '.join(named)})" if named else message
    causes = [explain(each, SCHEDULING) for each in reasons]
    fixes = dict.fromkeys(cause.fix for cause in causes if cause is not None)
    fix = "; or ".join(fixes) or "`kubectl describe pod` says what each node lacks"
    lasting = bool(causes) and all(_stays(cause) for cause in causes)
    return Trouble("scheduling", f"no node takes it: {message}", fix, lasting)


def _reasons(message: str) -> list[str]:
    """Return the scheduler's reasons; kubernetes pkg/scheduler/framework/types.go counts them."""
    told = re.sub(r"^\d+/\d+ nodes are available: ", "", message)
    return [each.strip(" .") for each in re.split(r", (?=\d+ )", told) if each.strip(" .")]


def stuck(events: Sequence[EventLine]) -> Trouble | None:
    """Judge what keeps a pod from being set up, by its events; None if its latest is none of that.

    An older one may be over: a volume that was mounted since is told of by what follows.
    """
    latest = events[-1] if events else None
    if latest is None or latest.reason not in _STUCK:
        return None
    cause = explain(latest.message, SETTING_UP)
    what = f"{cause.why}: {shortened(latest.message)}" if cause else shortened(latest.message)
    fix = cause.fix if cause else "the events quoted here say why"
    return Trouble(latest.reason, what, fix, _stays(cause))


def unready(events: Sequence[EventLine]) -> Trouble | None:
    """Tell what its probe says of a container that runs and is not ready; that may change."""
    latest = next((event for event in reversed(events) if event.reason == "Unhealthy"), None)
    if latest is None:
        return None
    return Trouble(PROBE, shortened(latest.message), "its log says what it is doing", lasting=False)


def no_node() -> Trouble:
    """A DaemonSet that no node is for."""
    fix = "label a node as its nodeSelector wants it (nodes[].labels), or change what it wants"
    return Trouble("no node", "no node is one that it wants", fix, lasting=True)


def no_pods(said: str) -> Trouble:
    """Judge why the controller of a workload cannot make its pods, by what it says."""
    cause = explain(said, ADMISSION)
    fix = cause.fix if cause else "correct its manifest: the API refuses the pods that it describes"
    return Trouble("pods", f"its pods cannot be made: {shortened(said)}", fix, _stays(cause))


def claim_trouble(claim: Object, events: Iterable[EventLine]) -> Trouble | None:
    """Judge why a volume claim is pending, from its events; None if it is not, or nobody says."""
    name = claim["metadata"]["name"]
    if (claim.get("status") or {}).get("phase") == "Bound":
        return None
    for event in reversed(list(events)):
        if event.reason not in _NOT_MADE:
            continue
        cause = explain(event.message, VOLUMES)
        fix = (
            cause.fix
            if cause
            else "look at the storage system's pods; too little free space is the usual cause"
        )
        lasting = _stays(cause) if cause else not re.search(_TRANSIENT, event.message)
        what = f"volume {name} is not made: {shortened(event.message)}"
        return Trouble(f"volume {name}", what, fix, lasting)
    return None


def _stays(cause: Cause | None) -> bool:
    return cause is not None and not cause.passing
