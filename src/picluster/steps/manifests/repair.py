"""What is broken is made anew, and what holds data stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from picluster.engine.place import Place, Tools
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.kube.apply import apply
from picluster.kube.errors import ApiRefused, ApiUnavailable, NotFound
from picluster.kube.pods import PodState, delete_pod
from picluster.kube.reach import api_of
from picluster.kube.removal import delete_and_wait
from picluster.kube.rollout import read_rollout
from picluster.kube.times import moment
from picluster.kube.troubles import PROBE
from picluster.kube.workload import Workload
from picluster.steps.manifests.component import Source, Unsettled
from picluster.steps.manifests.rollout import Workloads

_INVALID = 422
_STUCK_SECONDS = 20.0
"""A pod younger than this is not stuck yet: it is the one that was made anew a moment ago."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What is to be made anew: pods in trouble, and workloads that cannot be changed in place."""

    pods: tuple[tuple[PodState, str], ...] = ()
    workloads: tuple[tuple[Workload, str], ...] = ()


@dataclass(frozen=True, slots=True)
class WhatIsBroken:
    """Which pods of workloads are in trouble, and which do not take their present manifest."""

    name: str
    workloads: Workloads
    source: Source
    secret: bool = False

    def ask(self, tools: Tools) -> Broken:
        """Look, and try each workload's manifest without keeping it."""
        try:
            return self.find(tools)
        except (ApiUnavailable, Unsettled):
            return Broken()

    def find(self, tools: Tools) -> Broken:
        """Do what `ask` does. Raises `ApiUnavailable` and `Unsettled`."""
        api, pods = api_of(tools), list[tuple[PodState, str]]()
        for workload in self.workloads(tools):
            rollout = read_rollout(api, workload)
            troubles = {name: each for name, each in rollout.troubles if each.kind != PROBE}
            pods += [
                (pod, troubles[pod.name].what)
                for pod in rollout.pods
                if pod.name in troubles and _old_enough(pod, api.clock)
            ]
        return Broken(tuple(pods), tuple(self._unchangeable(tools)))

    def _unchangeable(self, tools: Tools) -> Iterator[tuple[Workload, str]]:
        known = {(each.kind, each.name): each for each in self.workloads(tools)}
        for manifest in self.source(tools):
            workload = known.get((manifest["kind"], manifest["metadata"]["name"]))
            if workload is None:
                continue
            try:
                apply(api_of(tools), manifest, dry_run=True, force=True)
            except ApiRefused as error:
                if error.status == _INVALID:
                    yield workload, error.why or error.what


def _old_enough(pod: PodState, now: float | None) -> bool:
    made = moment(pod.created)
    return now is None or made is None or now - made >= _STUCK_SECONDS


@dataclass(frozen=True, slots=True)
class DeleteBroken:
    """Delete what is broken at that time; volumes, claims and Secrets are never touched."""

    what: WhatIsBroken
    title: str = "deleting what is broken"

    def perform(self, place: Place) -> None:
        """Do it. Raises `WaitFailed` for a workload that does not go."""
        api, progress = api_of(place.tools), place.progress
        found = self.what.find(place.tools)
        for workload, _ in found.workloads:
            progress.report(f"deleting {workload}; its volumes stay")
            delete_and_wait(api, workload.path, str(workload), progress, propagation="Foreground")
        for pod, why in found.pods:
            progress.report(f"deleting pod {pod.name}: {why}")
            try:
                delete_pod(api, pod)
            except NotFound:
                continue


@dataclass(frozen=True, slots=True)
class MadeAnew:
    """No pod of these workloads is stuck, and each workload takes its present manifest.

    Pods and workloads are deleted for that, to be made again by what follows.
    """

    name: str
    title: str
    workloads: Workloads
    source: Source

    def probe(self) -> WhatIsBroken:
        return WhatIsBroken(self.name, self.workloads, self.source)

    def decide(self, look: Look) -> Decision:
        found = look.read(self.probe())
        names = [f"pod {pod.name}" for pod, _ in found.pods]
        names += [str(workload) for workload, _ in found.workloads]
        if not names:
            return Satisfied()
        reasons = [why for _, why in (*found.pods, *found.workloads)]
        return Change(
            f"make anew: {', '.join(names)}",
            (DeleteBroken(self.probe()),),
            reason="; ".join(dict.fromkeys(reasons)),
        )
