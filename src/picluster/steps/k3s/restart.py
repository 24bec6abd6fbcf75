"""K3s has been restarted on a node, once per request."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Change, Decision, Risk, Run, Satisfied
from picluster.engine.survey import Look
from picluster.steps.k3s import paths
from picluster.steps.k3s.service import Arrival, AwaitArrival, start
from picluster.steps.k3s.state import STATE, read_state
from picluster.steps.storage.stored_data import missed_without

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Restarted:
    """K3s was restarted on the node for this request, and is Ready again.

    `request` identifies the command that asked for it. The node notes it when it is done, in a
    place that a reboot empties: what is observed is what was done, and a request is served once.
    """

    arrival: Arrival
    request: str
    name: str = "k3s-restarted"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.arrival.unit}.service on {self.arrival.node} was restarted"

    def probe(self) -> ShellProbe[str]:
        """Ask which request was served last."""
        return ShellProbe(
            self.name, f"cat {self._note} 2>/dev/null || true", lambda seen: seen.out.strip()
        )

    def decide(self, look: Look) -> Decision:
        """Want this request served; refuse where there is nothing to restart."""
        if look.read(self.probe()) == self.request:
            return Satisfied()
        unit = self.arrival.unit
        if read_state(look.beside(STATE)).unit != unit:
            return Blocked(
                f"K3s is not installed on {self.arrival.node} as {unit}.service",
                "bring the cluster up first: `picluster up`",
            )
        note = f"mkdir -p {paths.LOADED_DIR} && printf %s {quote(self.request)} >{self._note}"
        return Change(
            f"restart {unit}.service",
            (
                start(unit),
                AwaitArrival(self.arrival),
                Run(note, timeout=_SECONDS),
            ),
            reason=self._reason(missed_without(look, self.arrival.node)),
            risk=Risk.RESTART,
            retry_safe=True,
        )

    def _reason(self, missed: str) -> str:
        """Containers go on while K3s restarts; its unit leaves them alone (KillMode=process)."""
        if not missed:
            return "asked for; pods go on meanwhile"
        return f"asked for; pods go on meanwhile, but can start nowhere else if it fails: {missed}"

    @property
    def _note(self) -> str:
        return f"{paths.LOADED_DIR}/{self.arrival.unit}.restarted"
