"""Pods as Kubernetes sees them, read into frozen data, and their logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picluster.errors import PiclusterError
from picluster.kube.api import Api, segment
from picluster.kube.times import moment
from picluster.secret import redact

_LOG_LINES = 15
_SAME_SECOND = 1.0


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
    """A pod as last reported.

    `unscheduled` is the scheduler's reason, `claims` are those of its volumes. `reason` and
    `message` say why the kubelet ended it, such as `Evicted`. `revision` is which version of its
    StatefulSet it is of. `never_ready` is whether it was not ready once since it was made.
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
    reason: str = ""
    message: str = ""
    created: str = ""
    revision: str = ""
    never_ready: bool = False


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
        unscheduled=_line(scheduled.get("message")) if scheduled.get("status") == "False" else "",
        containers=tuple(map(_container, statuses)),
        claims=tuple(claim["claimName"] for claim in claims if claim),
        leaving=bool(meta.get("deletionTimestamp")),
        reason=status.get("reason", ""),
        message=_line(status.get("message")),
        created=meta.get("creationTimestamp", ""),
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


def _line(text: object) -> str:
    return redact(" ".join(str(text or "").split()))


def _container(status: Mapping[str, Any]) -> ContainerState:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or last.get("terminated") or {}
    return ContainerState(
        name=status.get("name", ""),
        image=status.get("image", ""),
        ready=bool(status.get("ready")),
        waiting=waiting.get("reason", ""),
        message=_line(waiting.get("message") or ended.get("message")),
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


def quote_log(api: Api, pod: PodState, container: str) -> str:
    """Return the end of a container's log, of its last run if it ended. Never raises."""
    text, problem = read_log(api, pod, container)
    name = f"log of {pod.name}/{container}"
    return f"{name}:\n{text}" if text else f"{name} could not be read: {problem}"


def read_log(api: Api, pod: PodState, container: str) -> tuple[str, str]:
    """Return the end of a container's log, and why there is none. Never raises."""
    problem = "it is empty"
    for previous in ("true", "false"):
        query = {"container": container, "tailLines": str(_LOG_LINES), "previous": previous}
        try:
            text = api.call("GET", f"{_path(pod)}/log", query=query, retry=False)
        except PiclusterError as error:
            problem = error.why or error.what
            continue
        if isinstance(text, str) and text.strip():
            return redact(text.strip()), ""
        problem = "it is empty"
    return "", problem


def _path(pod: PodState) -> str:
    return f"/api/v1/namespaces/{segment(pod.namespace)}/pods/{segment(pod.name)}"
