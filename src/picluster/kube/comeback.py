"""What ran before nodes were drained, and waiting until it runs again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from picluster.engine.waiting import Done, Verdict, wait_until
from picluster.kube.api import Api
from picluster.kube.drain import cordoned_by_us
from picluster.kube.glance import Glance
from picluster.kube.nodes import node_states
from picluster.kube.objects import items
from picluster.kube.rollout import Rollout, evidence_of, judge, missing_in, read_rollout
from picluster.kube.workload import Workload

if TYPE_CHECKING:
    from picluster.engine.place import Progress

_LISTS = {
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
}


@dataclass(frozen=True, slots=True)
class Comeback:
    """What ran before, as observed now, and the nodes that picluster still keeps pods off."""

    rollouts: tuple[Rollout, ...] = ()
    out: tuple[str, ...] = ()


def running(api: Api) -> tuple[Workload, ...]:
    """Return what runs in the whole cluster with all the pods that it wants."""
    return tuple(workload for workload, missing in _all(api).items() if not missing)


def look_for(api: Api, workloads: Sequence[Workload]) -> Comeback:
    """Look at all of them, and more closely at those that do not run.

    Who was taken away meanwhile is not missed: a K3s of another version has other parts.
    """
    now = _all(api)
    rollouts = tuple(
        read_rollout(api, each) if now[each] else Rollout(each, "")
        for each in workloads
        if each in now
    )
    out = tuple(node.name for node in node_states(api) if cordoned_by_us(node))
    return Comeback(rollouts, out)


def judge_comeback(seen: Comeback) -> Verdict:
    """Want all of them to run, unless another node is out: whoever is back last waits for all.

    A container that ended again and again while it missed what was drained ends no wait: it is
    started anew after five minutes at most (kubernetes.io, "Pod Lifecycle", `CrashLoopBackOff`).
    """
    return Done() if seen.out else judge([_with_patience(each) for each in seen.rollouts])


def _with_patience(rollout: Rollout) -> Rollout:
    troubles = tuple(
        (name, replace(each, lasting=each.lasting and not each.container))
        for name, each in rollout.troubles
    )
    return replace(rollout, troubles=troubles)


def wait_for_comeback(
    api: Api, node: str, workloads: Sequence[Workload], *, timeout: float, progress: Progress
) -> None:
    """Wait until these run again, now that the node takes pods.

    Raises `WaitFailed` with events and logs, early if in vain.
    """
    last = Comeback()

    def observe() -> Comeback:
        nonlocal last
        last = look_for(Glance(api), workloads)
        return last

    wait_until(
        "what ran before it was drained does not run again",
        observe,
        judge_comeback,
        timeout=timeout,
        progress=progress,
        where=node,
        fix="`picluster doctor` says more; raise limits.rollout if it is merely slow. The same "
        "command again goes on with the next node, and does not wait for what does not run",
        evidence=lambda: evidence_of(api, last.rollouts),
    )


def _all(api: Api) -> Mapping[Workload, str]:
    """Return what each Deployment, StatefulSet and DaemonSet lacks, empty if it runs."""
    return {
        Workload(kind, live["metadata"]["namespace"], live["metadata"]["name"]): missing_in(
            kind, live
        )
        for kind, path in _LISTS.items()
        for live in items(api, path)
    }
