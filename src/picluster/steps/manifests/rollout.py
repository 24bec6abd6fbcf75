"""Workloads run: observed, and waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from picluster.engine.place import Place, Tools
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.kube.errors import ApiUnavailable
from picluster.kube.reach import api_of
from picluster.kube.rollout import Rollout, read_rollout, wait_for_rollouts
from picluster.kube.superseded import MayGo
from picluster.kube.workload import Workload


class Workloads(Protocol):
    """Tells which workloads there are; data, as a frozen dataclass is."""

    def __call__(self, tools: Tools) -> Sequence[Workload]:
        """Return them. Raises a `PiclusterError` where they cannot be told."""


@dataclass(frozen=True, slots=True)
class These:
    """Workloads that are known beforehand."""

    workloads: tuple[Workload, ...]

    def __call__(self, tools: Tools) -> tuple[Workload, ...]:
        """Return them."""
        return self.workloads


@dataclass(frozen=True, slots=True)
class Shortcomings:
    """What workloads lack of running, in words; none if all of them run."""

    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollouts:
    """What these workloads lack."""

    name: str
    workloads: Workloads
    secret: bool = False

    def ask(self, tools: Tools) -> Shortcomings:
        """Look at the workloads, and at the pods of those that do not run."""
        try:
            api = api_of(tools)
            rollouts = [read_rollout(api, workload) for workload in self.workloads(tools)]
        except ApiUnavailable:
            return Shortcomings(("the cluster does not answer yet",))
        return Shortcomings(tuple(_words(rollout) for rollout in rollouts if rollout.missing))


@dataclass(frozen=True, slots=True)
class AwaitRollouts:
    """Wait, at most `timeout` seconds, until these workloads run.

    Of the pods that hold a StatefulSet up, those that `may_go` are deleted meanwhile.
    """

    what: str
    workloads: Workloads
    timeout: float
    may_go: MayGo = MayGo.NOBODY

    @property
    def title(self) -> str:
        return f"waiting until {self.what}"

    def perform(self, place: Place) -> None:
        """Wait. Raises `WaitFailed` with events and logs, early if in vain."""
        wait_for_rollouts(
            api_of(place.tools),
            self.workloads(place.tools),
            timeout=self.timeout,
            progress=place.progress,
            may_go=self.may_go,
        )


@dataclass(frozen=True, slots=True)
class RolledOut:
    """Every pod of these workloads runs, in its present version.

    `after` are steps whose changes make pods start anew; `timeout` and `may_go` are as in
    `AwaitRollouts`.
    """

    name: str
    title: str
    workloads: Workloads
    timeout: float
    after: tuple[str, ...] = ()
    may_go: MayGo = MayGo.NOBODY

    def probe(self) -> Rollouts:
        return Rollouts(self.name, self.workloads)

    def decide(self, look: Look) -> Decision:
        missing = look.read(self.probe()).words
        if not missing and not look.changing(*self.after):
            return Satisfied()
        return Change(
            f"wait until {self.title}",
            (AwaitRollouts(self.title, self.workloads, self.timeout, self.may_go),),
            reason="; ".join(missing) or "its objects are about to change",
        )


def _words(rollout: Rollout) -> str:
    why = f" ({rollout.troubles[0][1].what})" if rollout.troubles else ""
    return f"{rollout.workload} {rollout.missing}{why}"
