"""Workloads run: observed, and waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from picluster.engine.step import Call, Change, Decision, Progress, Query, Satisfied
from picluster.engine.survey import Look
from picluster.kube.errors import ApiUnavailable
from picluster.kube.reach import Reach
from picluster.kube.rollout import Rollout, Workload, read_rollout, wait_for_rollouts
from picluster.kube.superseded import MayGo, nobody

Workloads = Callable[[], Sequence[Workload]]


@dataclass(frozen=True, slots=True)
class RolledOut:
    """Every pod of these workloads runs, in its present version.

    `after` are steps whose changes make pods start anew; `timeout` is in seconds. Of the pods that
    hold a StatefulSet up, those that `may_go` are deleted meanwhile.
    """

    name: str
    title: str
    workloads: Workloads
    api: Reach
    timeout: float
    after: tuple[str, ...] = ()
    may_go: MayGo = nobody

    def probe(self) -> Query:
        """Look at the workloads, and at the pods of those that do not run."""
        return Query(self._look)

    def decide(self, look: Look) -> Decision:
        """Want them all to run."""
        seen = look.own.value
        missing = seen if isinstance(seen, list) else ["the cluster does not answer yet"]
        if not missing and not look.changing(*self.after):
            return Satisfied()
        return Change(
            f"wait until {self.title}",
            (Call(f"waiting until {self.title}", self._wait),),
            reason="; ".join(missing) or "its objects are about to change",
            retry_safe=True,
        )

    def _look(self) -> list[str] | None:
        try:
            api = self.api.access()
            rollouts = [read_rollout(api, workload) for workload in self.workloads()]
        except ApiUnavailable:
            return None
        return [_words(rollout) for rollout in rollouts if rollout.missing]

    def _wait(self, progress: Progress) -> None:
        wait_for_rollouts(
            self.api.access(),
            self.workloads(),
            timeout=self.timeout,
            progress=progress,
            may_go=self.may_go,
        )


def _words(rollout: Rollout) -> str:
    why = f" ({rollout.troubles[0][1].what})" if rollout.troubles else ""
    return f"{rollout.workload} {rollout.missing}{why}"
