"""What keeps a workload's pods and volumes from being, asked of the API no further than needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from picluster.kube.api import Api, Object, segment
from picluster.kube.events import fetch_events
from picluster.kube.nodes import list_nodes
from picluster.kube.objects import find
from picluster.kube.pods import PodState, read_log
from picluster.kube.troubles import (
    Trouble,
    claim_trouble,
    no_node,
    no_pods,
    stuck,
    trouble_of,
    unready,
    unscheduled,
    with_log,
)
from picluster.kube.workload import Workload

ENOUGH_FAILURES = 2
"""How many pods of a Job have to fail before it is taken for one that will not succeed."""
_PODS_LOOKED_AT = 3


def troubles_in(
    api: Api, workload: Workload, live: Object, pods: Sequence[PodState]
) -> Iterator[tuple[str, Trouble]]:
    """Say of a workload that does not run yet what keeps which pod, or volume, from being."""
    if not pods:
        found = _without_pods(api, workload, live)
        yield from [(workload.name, found)] if found else []
    attempts = int((live.get("status") or {}).get("failed") or 0)
    for pod in present(pods)[:_PODS_LOOKED_AT]:
        found = trouble_of(pod)
        if found is not None and workload.kind == "Job" and pod.phase == "Failed":
            found = replace(found, lasting=attempts >= ENOUGH_FAILURES)
        found = _looked_into(api, pod, found)
        yield from [(pod.name, found)] if found else []
    for claim in dict.fromkeys(claim for pod in pods for claim in pod.claims):
        found = _claim_trouble(api, workload.namespace, claim)
        yield from [(claim, found)] if found else []


def present(pods: Sequence[PodState]) -> list[PodState]:
    """Return the pods that tell how a workload is now, the newest first.

    What was evicted or has failed stays listed long after another pod took its place.
    """
    newest = sorted((pod for pod in pods if not pod.leaving), key=lambda pod: pod.created)[::-1]
    going = [pod for pod in newest if pod.phase not in ("Failed", "Succeeded")]
    return [pod for pod in going if not pod.ready] if going else newest[:1]


def _looked_into(api: Api, pod: PodState, found: Trouble | None) -> Trouble | None:
    """Ask the log, the nodes or the events for what the pod's status leaves open."""
    if found is None:
        return _by_events(api, pod)
    if found.container:
        return with_log(found, read_log(api, pod, found.container)[0])
    if pod.unscheduled and "untolerated taint(s)" in pod.unscheduled:
        nodes = list_nodes(api).values()
        taints = {node.name: [str(each) for each in node.taints] for node in nodes}
        return unscheduled(pod.unscheduled, taints)
    return found


def _by_events(api: Api, pod: PodState) -> Trouble | None:
    if pod.ready or not pod.node:
        return None
    events = fetch_events(api, "Pod", pod.name, namespace=pod.namespace)
    return stuck(events) or unready(events)


def _without_pods(api: Api, workload: Workload, live: Object) -> Trouble | None:
    """Judge a workload that has no pods, by what its controller says."""
    status = live.get("status") or {}
    if workload.kind == "DaemonSet" and status.get("desiredNumberScheduled") == 0:
        return no_node()
    for condition in status.get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return no_pods(str(condition.get("message") or condition.get("reason") or ""))
    events = fetch_events(api, workload.kind, workload.name, namespace=workload.namespace)
    made = not events or events[-1].reason != "FailedCreate"
    return None if made else no_pods(events[-1].message)


def _claim_trouble(api: Api, namespace: str, name: str) -> Trouble | None:
    place = f"/api/v1/namespaces/{segment(namespace)}/persistentvolumeclaims/{segment(name)}"
    claim = find(api, place)
    if claim is None or (claim.get("status") or {}).get("phase") == "Bound":
        return None
    return claim_trouble(
        claim, fetch_events(api, "PersistentVolumeClaim", name, namespace=namespace)
    )
