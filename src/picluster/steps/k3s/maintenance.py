"""Pods leave a node before its K3s changes version, and may come back once it is Ready again."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.place import Place
from picluster.engine.step import Change, Decision, Inferred, Risk, Satisfied
from picluster.engine.survey import Look
from picluster.kube.drain import DAEMONS, cordon, cordoned_by_us, drain, uncordon
from picluster.kube.reach import api_of
from picluster.steps.k3s.service import NodeReading
from picluster.steps.k3s.state import STATE
from picluster.steps.storage.stored_data import held_by_longhorn, missed_without

DRAINED = "drained"
UNCORDONED = "uncordoned"


@dataclass(frozen=True, slots=True)
class DrainNode:
    """Let no new pods onto a node, and have those that can be elsewhere leave it.

    `why` is noted on the node; `timeout` is in seconds. Pods of the kinds in `staying` stay.
    """

    node: str
    why: str
    timeout: float
    staying: tuple[str, ...] = DAEMONS

    @property
    def title(self) -> str:
        return f"draining {self.node}"

    def perform(self, place: Place) -> None:
        """Do it. Raises `WaitFailed` naming the pods that stay and what keeps them."""
        api = api_of(place.tools)
        cordon(api, self.node, self.why)
        drain(api, self.node, timeout=self.timeout, progress=place.progress, staying=self.staying)


@dataclass(frozen=True, slots=True)
class UncordonNode:
    """Let pods onto a node again."""

    node: str

    @property
    def title(self) -> str:
        return f"uncordoning {self.node}"

    def perform(self, place: Place) -> None:
        """Do it. Raises `ApiUnavailable`."""
        uncordon(api_of(place.tools), self.node)


@dataclass(frozen=True, slots=True)
class Drained(Inferred):
    """A node that is about to get another version of K3s runs no pods that could be elsewhere.

    `timeout` is in seconds. The only node of a cluster is not drained: its pods have nowhere to go.
    """

    node: str
    version: str
    alone: bool
    timeout: float
    name: str = DRAINED

    @property
    def title(self) -> str:
        return f"pods have left {self.node} before its K3s changes"

    def decide(self, look: Look) -> Decision:
        state = look.read(STATE)
        seen = look.read(NodeReading(self.node)).state
        changes = state.version not in ("", self.version)
        if self.alone or not changes or seen is None or not seen.ready:
            return Satisfied()
        reason = f"K3s {state.version} becomes {self.version}"
        if missed := missed_without(look, self.node):
            reason += f"; away until it is back: {missed}"
        if held := held_by_longhorn(look, self.node):
            reason += f"; Longhorn's node-drain-policy may not let the last good copy of {held} go"
        return Change(
            f"cordon and drain {self.node}",
            (DrainNode(self.node, f"upgrade to {self.version}", self.timeout),),
            reason=reason,
            risk=Risk.DRAIN,
        )


@dataclass(frozen=True, slots=True)
class Uncordoned(Inferred):
    """A node that picluster cordoned takes pods again; one that somebody else did stays so."""

    node: str
    name: str = UNCORDONED

    @property
    def title(self) -> str:
        return f"{self.node} is not left cordoned"

    def decide(self, look: Look) -> Decision:
        if not cordoned_by_us(look.read(NodeReading(self.node)).state):
            return Satisfied()
        return Change(
            f"uncordon {self.node}", (UncordonNode(self.node),), reason="picluster cordoned it"
        )
