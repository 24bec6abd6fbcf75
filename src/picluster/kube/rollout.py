"""Waiting for workloads to run, and giving up early when they cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from picluster.engine.waiting import Done, Hopeless, Lasting, Verdict, Waiting, wait_until
from picluster.kube.api import Api
from picluster.kube.diagnosis import troubles_in
from picluster.kube.errors import NotFound
from picluster.kube.events import quote_events
from picluster.kube.glance import Glance
from picluster.kube.nodes import list_nodes
from picluster.kube.objects import find
from picluster.kube.pods import PodState, delete_pod, list_pods, quote_log
from picluster.kube.superseded import MayGo, holding_up, trouble_with
from picluster.kube.troubles import Trouble
from picluster.kube.workload import Workload

if TYPE_CHECKING:
    from picluster.engine.place import Progress

PATIENCE_SECONDS = 40.0
"""How long what waiting does not cure has to be seen: a kubelet tries twice in that time, or more.

It waits 10 s after an image could not be had, then 20 s, then 40 s (kubernetes
pkg/kubelet/kubelet.go).
"""
_ABSENT = "is not there"


@dataclass(frozen=True, slots=True)
class Rollout:
    """A workload as observed: `missing` is what it lacks, empty if it runs as wanted."""

    workload: Workload
    missing: str
    failed: str = ""
    pods: tuple[PodState, ...] = ()
    troubles: tuple[tuple[str, Trouble], ...] = ()
    """What keeps which pod or volume from being."""
    superseded: tuple[PodState, ...] = ()
    """Pods that hold a StatefulSet up, and that Kubernetes does not replace."""


def missing_in(kind: str, live: Mapping[str, Any] | None, away: int = 0) -> str:
    """Return what a workload lacks of running as its present specification says; pure.

    `away` is how many pods of a DaemonSet are on nodes that are not there: they will run once
    those are back, and no waiting before that makes them.
    """
    if live is None:
        return _ABSENT
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if kind == "Job":
        return "" if status.get("succeeded") else "has not ended yet"
    generation = (live.get("metadata") or {}).get("generation", 0)
    if int(status.get("observedGeneration") or 0) < int(generation or 0):
        return "was just changed"
    if kind == "DaemonSet":
        wanted = int(status.get("desiredNumberScheduled") or 0)
        updated = int(status.get("updatedNumberScheduled") or 0)
        ready = int(status.get("numberAvailable") or 0)
        if wanted == 0:
            return "wants no node yet"
        wanted -= away
    else:
        wanted = int(spec.get("replicas", 1))
        updated = int(status.get("updatedReplicas") or 0)
        ready = int(status.get("readyReplicas") or 0)
    if updated < wanted:
        return f"has {updated} of {wanted} pods of its present version"
    return f"has {ready} of {wanted} pods ready" if ready < wanted else ""


def failed_job(live: Mapping[str, Any] | None) -> str:
    """Return why a Job failed for good; empty if it did not."""
    for condition in ((live or {}).get("status") or {}).get("conditions") or []:
        if condition.get("type") == "Failed" and condition.get("status") == "True":
            return str(condition.get("message") or condition.get("reason") or "it failed")
    return ""


def read_rollout(api: Api, workload: Workload) -> Rollout:
    """Look at a workload, and at its pods and volumes if it does not run yet."""
    if workload.kind == "HelmChart":
        return _read_chart(api, workload)
    live = find(api, workload.path)
    missing = missing_in(workload.kind, live)
    if not missing or live is None:
        return Rollout(workload, missing)
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    pods = tuple(list_pods(api, workload.namespace, labels)) if labels else ()
    if workload.kind == "DaemonSet" and not missing_in("DaemonSet", live, _away(api, pods)):
        return Rollout(workload, "", pods=pods)
    failed = failed_job(live) if workload.kind == "Job" else ""
    held = holding_up(live, pods) if workload.kind == "StatefulSet" else ()
    troubles = [(pod.name, trouble_with(pod)) for pod in held]
    others = [pod for pod in pods if pod not in held]
    troubles += troubles_in(api, workload, live, others)
    return Rollout(workload, missing, failed, pods, tuple(troubles), held)


def _away(api: Api, pods: Sequence[PodState]) -> int:
    """Count the pods on nodes that are not Ready: the node controller calls those not ready too."""
    nodes = list_nodes(api)
    there = {name for name, node in nodes.items() if node.ready and node.alive}
    return sum(not pod.ready and pod.node in nodes.keys() - there for pod in pods)


def _read_chart(api: Api, chart: Workload) -> Rollout:
    """Look at the Job that installs a chart; one that is gone has done its work."""
    live = find(api, chart.path)
    if live is None:
        return Rollout(chart, _ABSENT)
    name = (live.get("status") or {}).get("jobName")
    if not name:
        return Rollout(chart, "was not seen by K3s' Helm controller yet")
    job = read_rollout(api, Workload("Job", chart.namespace, name))
    gone = job.missing == _ABSENT
    return replace(job, workload=chart, missing="" if gone else job.missing)


def judge(rollouts: Sequence[Rollout]) -> Verdict:
    """Want all of them to run; a trouble that waiting does not cure has to be seen for a while.

    It is the same one as long as its kind is, whatever the kubelet calls it and which pod has it.
    What ends again and again may wait for another workload that is still coming up.
    """
    waiting = [rollout for rollout in rollouts if rollout.missing]
    if not waiting:
        return Done(f"{len(rollouts)} of {len(rollouts)} run")
    for rollout in waiting:
        if rollout.failed:
            return Hopeless(f"{rollout.workload} failed: {_why_failed(rollout)}", _fix_of(rollout))
    first = next((rollout for rollout in waiting if rollout.troubles), waiting[0])
    why = f" ({first.troubles[0][1].what})" if first.troubles else ""
    done = f"{len(rollouts) - len(waiting)} of {len(rollouts)} run"
    troubles = [
        _lasting(rollout, name, each, waiting)
        for rollout in waiting
        for name, each in rollout.troubles
    ]
    return Waiting(f"{done}; {first.workload} {first.missing}{why}", troubles)


def _lasting(rollout: Rollout, name: str, each: Trouble, waiting: Sequence[Rollout]) -> Lasting:
    awaits = bool(each.container) and any(
        other.missing != _ABSENT and not any(trouble.lasting for _, trouble in other.troubles)
        for other in waiting
        if other is not rollout
    )
    kind = f"{rollout.workload}: {each.kind}{' meanwhile' if awaits else ''}"
    patience = PATIENCE_SECONDS if each.lasting and not awaits else math.inf
    return Lasting(kind, f"{rollout.workload}: {name}: {each.what}", each.fix, patience)


def _why_failed(rollout: Rollout) -> str:
    more = f" ({rollout.troubles[0][1].what})" if rollout.troubles else ""
    return f"{rollout.failed}{more}"


def _fix_of(rollout: Rollout) -> str:
    if rollout.troubles:
        return rollout.troubles[0][1].fix
    return "its events and log, quoted here, say why; `picluster deploy` tries again"


def wait_for_rollouts(
    api: Api,
    workloads: Sequence[Workload],
    *,
    timeout: float,
    progress: Progress,
    may_go: MayGo = MayGo.NOBODY,
) -> None:
    """Wait until all of them run, and delete pods that hold a StatefulSet up where they `may_go`.

    Raises `WaitFailed` with events and logs, early if in vain.
    """
    last: list[Rollout] = []

    def observe() -> list[Rollout]:
        last[:] = [read_rollout(Glance(api), workload) for workload in workloads]
        for pod in (pod for rollout in last for pod in rollout.superseded if may_go.allows(pod)):
            progress.report(f"deleting pod {pod.name}: {trouble_with(pod).what}")
            with suppress(NotFound):
                delete_pod(api, pod)
        return last

    wait_until(
        "the workloads do not run",
        observe,
        judge,
        timeout=timeout,
        progress=progress,
        fix="raise limits.rollout if they are merely slow",
        evidence=lambda: evidence_of(api, last),
    )


def evidence_of(api: Api, rollouts: Sequence[Rollout]) -> str:
    """Return what to quote of workloads that do not run: events, and logs of what crashed."""
    quoted = []
    for rollout in rollouts:
        if not rollout.missing:
            continue
        stuck = [pod for pod in rollout.pods if not pod.ready]
        if not stuck:
            place = rollout.workload
            quoted.append(quote_events(api, place.kind, place.name, namespace=place.namespace))
        for pod in stuck[:2]:
            quoted.append(quote_events(api, "Pod", pod.name, namespace=pod.namespace))
            quoted += [quote_log(api, pod, name) for name in _crashed(pod)]
    return "\n".join(quoted)


def _crashed(pod: PodState) -> list[str]:
    return [each.name for each in pod.containers if each.ended and not each.ready][:2]
