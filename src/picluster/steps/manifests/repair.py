"""What is broken is made anew, and what holds data stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.step import Call, Change, Decision, Progress, Query, Satisfied
from picluster.engine.survey import Look
from picluster.kube.api import Api
from picluster.kube.apply import apply
from picluster.kube.errors import ApiRefused, ApiUnavailable, NotFound
from picluster.kube.pods import PodState, delete_pod
from picluster.kube.reach import Reach
from picluster.kube.removal import delete_and_wait
from picluster.kube.rollout import Workload, read_rollout
from picluster.steps.manifests.applied import Source, Unsettled
from picluster.steps.manifests.rollout import Workloads

_INVALID = 422


@dataclass(frozen=True, slots=True)
class Broken:
    """What is to be made anew: pods in trouble, and workloads that cannot be changed in place."""

    pods: tuple[tuple[PodState, str], ...] = ()
    workloads: tuple[tuple[Workload, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MadeAnew:
    """No pod of these workloads is stuck, and each workload takes its present manifest.

    Pods and workloads are deleted for that, to be made again by what follows; volumes, claims and
    Secrets are never touched.
    """

    name: str
    title: str
    workloads: Workloads
    source: Source
    api: Reach

    def probe(self) -> Query:
        """Look for pods in trouble, and try each workload's manifest without keeping it."""
        return Query(self._look)

    def decide(self, look: Look) -> Decision:
        """Want nothing broken."""
        found = look.own.value if isinstance(look.own.value, Broken) else Broken()
        names = [f"pod {pod.name}" for pod, _ in found.pods]
        names += [str(workload) for workload, _ in found.workloads]
        if not names:
            return Satisfied()
        reasons = [why for _, why in (*found.pods, *found.workloads)]
        return Change(
            f"make anew: {', '.join(names)}",
            (Call("deleting what is broken", self._delete),),
            reason="; ".join(dict.fromkeys(reasons)),
            retry_safe=True,
        )

    def _look(self) -> Broken:
        try:
            return self._broken()
        except (ApiUnavailable, Unsettled):
            return Broken()

    def _broken(self) -> Broken:
        api = self.api.access()
        pods = []
        for workload in self.workloads():
            rollout = read_rollout(api, workload)
            troubles = dict(rollout.troubles)
            pods += [(pod, troubles[pod.name].what) for pod in rollout.pods if pod.name in troubles]
        return Broken(tuple(pods), tuple(self._unchangeable(api)))

    def _unchangeable(self, api: Api) -> Sequence[tuple[Workload, str]]:
        found = []
        known = {(each.kind, each.name): each for each in self.workloads()}
        for manifest in self.source():
            workload = known.get((manifest["kind"], manifest["metadata"]["name"]))
            if workload is None:
                continue
            try:
                apply(api, manifest, dry_run=True, force=True)
            except ApiRefused as error:
                if error.status == _INVALID:
                    found.append((workload, error.why or error.what))
        return found

    def _delete(self, progress: Progress) -> None:
        api = self.api.access()
        found = self._broken()
        for workload, _ in found.workloads:
            progress.report(f"deleting {workload}; its volumes stay")
            delete_and_wait(api, workload.path, str(workload), progress, propagation="Foreground")
        for pod, why in found.pods:
            progress.report(f"deleting pod {pod.name}: {why}")
            try:
                delete_pod(api, pod)
            except NotFound:
                continue
