"""Pods leave a node before its K3s changes version, and may come back once it is Ready again."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Call, Change, Decision, Progress, Risk, Satisfied
from picluster.engine.survey import Look
from picluster.kube.drain import cordon, cordoned_by_us, drain, uncordon
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.service import READY
from picluster.steps.k3s.state import STATE, read_state
from picluster.steps.storage.stored_data import held_by_longhorn, missed_without

DRAINED = "drained"
UNCORDONED = "uncordoned"


@dataclass(frozen=True, slots=True)
class Drained:
    """A node that is about to get another version of K3s runs no pods that could be elsewhere.

    `timeout` is in seconds. The only node of a cluster is not drained: its pods have nowhere to go.
    """

    node: str
    version: str
    alone: bool
    timeout: float
    api: ClusterApi
    name: str = DRAINED

    @property
    def title(self) -> str:
        """State what is true."""
        return f"pods have left {self.node} before its K3s changes"

    def probe(self) -> None:
        """The state of K3s and the reading of the node say it all."""

    def decide(self, look: Look) -> Decision:
        """Want it drained if it runs another version and is in the cluster."""
        state = read_state(look.beside(STATE))
        seen = look.beside(READY).value
        changes = state.version not in ("", self.version)
        if self.alone or not changes or not isinstance(seen, NodeState) or not seen.ready:
            return Satisfied()
        reason = f"K3s {state.version} becomes {self.version}"
        if missed := missed_without(look, self.node):
            reason += f"; away until it is back: {missed}"
        if held := held_by_longhorn(look, self.node):
            reason += f"; Longhorn's node-drain-policy may not let the last good copy of {held} go"
        return Change(
            f"cordon and drain {self.node}",
            (Call(f"draining {self.node}", self._drain),),
            reason=reason,
            risk=Risk.DRAIN,
            retry_safe=True,
        )

    def _drain(self, progress: Progress) -> None:
        api = self.api.access()
        cordon(api, self.node, f"upgrade to {self.version}")
        drain(api, self.node, timeout=self.timeout, progress=progress)


@dataclass(frozen=True, slots=True)
class Uncordoned:
    """A node that picluster cordoned takes pods again; one that somebody else did stays so."""

    node: str
    api: ClusterApi
    name: str = UNCORDONED

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.node} is not left cordoned"

    def probe(self) -> None:
        """The reading of the node says it."""

    def decide(self, look: Look) -> Decision:
        """Want no cordon of ours left when all is done."""
        seen = look.beside(READY).value
        node = seen if isinstance(seen, NodeState) else None
        if not cordoned_by_us(node):
            return Satisfied()
        return Change(
            f"uncordon {self.node}",
            (Call(f"uncordoning {self.node}", lambda _: uncordon(self.api.access(), self.node)),),
            reason="picluster cordoned it",
            retry_safe=True,
        )
