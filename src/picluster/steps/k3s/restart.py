"""K3s has been restarted on a node, because that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Blocked, Change, Decision, Inferred, Risk
from picluster.engine.survey import Look
from picluster.steps.k3s.service import Arrival, AwaitArrival, start
from picluster.steps.k3s.state import STATE
from picluster.steps.storage.stored_data import missed_without


@dataclass(frozen=True, slots=True)
class Restarted(Inferred):
    """K3s was restarted on the node, once, and is Ready again."""

    arrival: Arrival
    name: str = "k3s-restarted"

    @property
    def title(self) -> str:
        return f"{self.arrival.unit}.service on {self.arrival.node} was restarted"

    def decide(self, look: Look) -> Decision:
        unit = self.arrival.unit
        if look.read(STATE).unit != unit:
            return Blocked(
                f"K3s is not installed on {self.arrival.node} as {unit}.service",
                "bring the cluster up first: `picluster up`",
            )
        return Change(
            f"restart {unit}.service",
            (start(unit), AwaitArrival(self.arrival)),
            reason=self._reason(missed_without(look, self.arrival.node)),
            risk=Risk.RESTART,
            once=True,
        )

    def _reason(self, missed: str) -> str:
        """Containers go on while K3s restarts; its unit leaves them alone (KillMode=process)."""
        if not missed:
            return "asked for; pods go on meanwhile"
        return f"asked for; pods go on meanwhile, but can start nowhere else if it fails: {missed}"
