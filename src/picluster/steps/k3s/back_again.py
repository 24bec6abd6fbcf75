"""What a drain took down runs again before the next node is drained, and before the run ends."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.place import Place, Tools
from picluster.engine.step import Change, Decision, Inferred, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import PiclusterError
from picluster.kube.nodes import node_states
from picluster.kube.reach import api_of
from picluster.kube.workload import Workload
from picluster.steps.k3s.maintenance import UNCORDONED


@dataclass(frozen=True, slots=True)
class RunningBeforeUpgrade:
    """What runs with all its pods, asked only if a node runs another version of K3s; else nothing.

    What the cluster did not run before, or cannot be asked about, is not waited for afterwards.
    """

    version: str
    name: str = "running-before-upgrade"
    secret: bool = False

    def ask(self, tools: Tools) -> tuple[Workload, ...]:
        from picluster.kube.comeback import running  # noqa: PLC0415 - only upgrades need it

        try:
            api = api_of(tools)
            if all(node.version == self.version for node in node_states(api)):
                return ()
            return running(api)
        except PiclusterError:
            return ()


@dataclass(frozen=True, slots=True)
class AwaitComeback:
    """Wait, at most `timeout` seconds, until these workloads run again."""

    node: str
    workloads: tuple[Workload, ...]
    timeout: float

    @property
    def title(self) -> str:
        return f"waiting until what ran before {self.node} was drained runs again"

    def perform(self, place: Place) -> None:
        """Wait. Raises `WaitFailed` with events and logs, early if in vain."""
        from picluster.kube.comeback import wait_for_comeback  # noqa: PLC0415 - as above

        wait_for_comeback(
            api_of(place.tools),
            self.node,
            self.workloads,
            timeout=self.timeout,
            progress=place.progress,
        )


@dataclass(frozen=True, slots=True)
class BackAgain(Inferred):
    """What ran before the upgrade runs again once the node takes pods; `timeout` is in seconds."""

    node: str
    before: RunningBeforeUpgrade
    timeout: float
    name: str = "back-again"

    @property
    def title(self) -> str:
        return f"what ran before {self.node} was drained runs again"

    def decide(self, look: Look) -> Decision:
        workloads = look.find(self.before, CLUSTER)
        if not workloads or not look.changing(UNCORDONED):
            return Satisfied()
        return Change(
            f"wait until {self.title}",
            (AwaitComeback(self.node, workloads, self.timeout),),
            reason="pods that can run nowhere else were down meanwhile",
        )
