"""What Kubernetes shows of a pod that does not come up, as time goes by. Pure.

Facts, from Kubernetes v1.35:

- An image that cannot be had is told of by turns as `ErrImagePull`, with what the runtime said, and
  as `ImagePullBackOff`, with the same behind other words (pkg/kubelet/images/image_manager.go). It
  is tried again after 10 s, then 20 s, up to five minutes (pkg/kubelet/kubelet.go:
  imageBackOffPeriod, MaxImageBackOff); the kubelet looks at a pod that failed every 10 to 15 s
  (backOffPeriod and its jitter).
- A container that ends is started again at once, and then after the same times
  (MaxCrashLoopBackOff); meanwhile its pod says `CrashLoopBackOff`.
- A pod of a Job that fails is followed by another after 10 s, 20 s and so on, up to `backoffLimit`,
  which is 6 (pkg/controller/job/backoff_utils.go, job_controller.go).
- A container that runs and is not ready is probed every 10 s, and told of each time
  (pkg/kubelet/prober/prober.go).
- What containerd says of an image is from its client/pull.go and core/remotes/docker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .store import Object

_FIRST, _LONGEST = 10.0, 300.0
_SYNC = 12.0
_RUN, _PROBED = 2.0, 10.0
BACKOFF_LIMIT = 6


class Happened(NamedTuple):
    """An event: its type, reason and message, who told of it, and how often by now."""

    kind: str
    reason: str
    message: str
    source: str
    count: int


@dataclass(frozen=True)
class Scene:
    """The status of a pod at some moment, and the events that it has by then."""

    status: Object
    events: list[Happened] = field(default_factory=list)


_PULLS = {
    "image-missing": ("NotFound", "{ref}: not found"),
    "image-denied": (
        "Unknown",
        "pull access denied, repository does not exist or may require authorization: server "
        "message: insufficient_scope: authorization failed",
    ),
    "image-offline": (
        "Unknown",
        'failed to do request: Head "https://{host}/v2/{path}/manifests/{tag}": dial tcp: lookup '
        "{host}: Try again",
    ),
}
FAILING = "job-fails"
TROUBLES = (*_PULLS, "crash-loop", "config-missing", "mount-missing", "unready", FAILING)


def scene(trouble: str, pod: Object, age: float) -> Scene:
    """Return what is seen of a placed pod in one of `TROUBLES` after so many seconds."""
    container = pod["spec"]["containers"][0]
    if trouble in _PULLS:
        return _pulling(trouble, container, age)
    if trouble == FAILING:
        ended = {"terminated": {"reason": "Error", "exitCode": 3}}
        return Scene({**_pending(container, ended), "phase": "Failed"})
    if trouble == "crash-loop":
        return _crashing(pod, container, age)
    if trouble == "unready":
        said = "Readiness probe failed: HTTP probe failed with statuscode: 503"
        told = Happened("Warning", "Unhealthy", said, "kubelet", 1 + int(age // _PROBED))
        return Scene({**_pending(container, {"running": {}}), "phase": "Running"}, [told])
    if trouble == "config-missing":
        said = 'secret "no-such-secret" not found'
        waiting = {"reason": "CreateContainerConfigError", "message": said}
        told = Happened("Warning", "Failed", f"Error: {said}", "kubelet", 1 + int(age // _SYNC))
        return Scene(_pending(container, {"waiting": waiting}), [told])
    said = 'MountVolume.SetUp failed for volume "settings" : configmap "no-such-map" not found'
    told = Happened("Warning", "FailedMount", said, "kubelet", 1 + int(age // _SYNC))
    return Scene(_pending(container, {"waiting": {"reason": "ContainerCreating"}}), [told])


def _pending(container: Object, state: Object, **more: object) -> Object:
    one = {"name": container["name"], "image": container["image"], "ready": False}
    conditions = [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
    ]
    told = {**one, "restartCount": 0, "state": state, "lastState": {}, **more}
    return {"phase": "Pending", "conditions": conditions, "containerStatuses": [told]}


def back_off(age: float, settles: float) -> tuple[int, bool]:
    """Return how often something was tried by then, and whether its next turn is waited for.

    `settles` is how long the kubelet shows the failure itself.
    """
    began, pause, tries = 0.0, _FIRST, 1
    while True:
        if age < began + settles:
            return tries, False
        if age < began + settles + pause:
            return tries, True
        began, pause, tries = began + settles + pause, min(pause * 2, _LONGEST), tries + 1


def _pulling(trouble: str, container: Object, age: float) -> Scene:
    image = container["image"]
    code, said = _PULLS[trouble]
    ref, host, path, tag = reference(image)
    error = (
        f'rpc error: code = {code} desc = failed to pull and unpack image "{ref}": failed to '
        f'resolve reference "{ref}": {said.format(ref=ref, host=host, path=path, tag=tag)}'
    )
    tries, waits = back_off(age, _SYNC)
    waited = tries if waits else tries - 1
    events = [
        Happened("Normal", "Pulling", f'Pulling image "{image}"', "kubelet", tries),
        Happened("Warning", "Failed", f'Failed to pull image "{image}": {error}', "kubelet", tries),
        Happened("Warning", "Failed", "Error: ErrImagePull", "kubelet", tries),
    ]
    waiting = {"reason": "ErrImagePull", "message": error}
    if waited:
        told = f'Back-off pulling image "{image}"'
        events.append(Happened("Normal", "BackOff", told, "kubelet", waited))
        events.append(Happened("Warning", "Failed", "Error: ImagePullBackOff", "kubelet", waited))
    if waits:
        waiting = {"reason": "ImagePullBackOff", "message": f"{told}: ErrImagePull: {error}"}
    return Scene(_pending(container, {"waiting": waiting}), events)


def reference(image: str) -> tuple[str, str, str, str]:
    """Return an image's full name, and its registry, path and tag, as containerd asks for it."""
    first, slash, rest = image.partition("/")
    named = slash and (first == "localhost" or any(sign in first for sign in ".:"))
    where, path = (first, rest) if named else ("docker.io", image if slash else f"library/{image}")
    path, _, tag = path.partition(":")
    host = "registry-1.docker.io" if where == "docker.io" else where
    return f"{where}/{path}:{tag or 'latest'}", host, path, tag or "latest"


def _crashing(pod: Object, container: Object, age: float) -> Scene:
    meta = pod["metadata"]
    name = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
    # The first time it is started again at once.
    tries, waits = (1, False) if age < _RUN else back_off(age - _RUN, _RUN)
    starts = tries if age < _RUN else tries + 1
    pause = int(min(_FIRST * 2 ** (tries - 1), _LONGEST))
    ended = {"terminated": {"reason": "Error", "exitCode": 3}}
    state: Object = {"running": {}}
    events = [
        Happened("Normal", "Started", f"Started container {container['name']}", "kubelet", starts)
    ]
    if waits:
        said = f"back-off {pause}s restarting failed container={container['name']} pod={name}"
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": said}}
    if waits or tries > 1:
        said = f"Back-off restarting failed container {container['name']} in pod {name}"
        events.append(Happened("Warning", "BackOff", said, "kubelet", tries))
    last = ended if starts > 1 else {}
    status = _pending(container, state, restartCount=starts - 1, lastState=last)
    return Scene({**status, "phase": "Running"}, events)


def failed_pods(age: float) -> int:
    """Return how many pods of a Job have failed by then."""
    tries, waits = back_off(age, _RUN)
    return min(tries if waits else tries - 1, BACKOFF_LIMIT + 1)
