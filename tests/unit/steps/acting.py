"""Looking at a step of the cluster, and doing what it decides, as the engine would."""

from __future__ import annotations

from typing import Any

from tests.doubles.progress import ProgressDouble

from picluster.engine.observe import observe
from picluster.engine.place import Place, Tools
from picluster.engine.pool import Sessions
from picluster.engine.session import Session, Traffic
from picluster.engine.step import Act, Change, Decision
from picluster.engine.survey import CLUSTER, Look


class NoNodes:
    """A connector for steps that ask no node: to ask one is a failure of the test."""

    traffic = Traffic()

    def connect(self, node: str) -> Session:
        raise AssertionError(f"{node} was asked, though this step is not about nodes")


NOWHERE = Sessions(NoNodes())


def place(*tools: object, target: str = CLUSTER, sessions: Sessions = NOWHERE) -> Place:
    """Where actions are done in a test."""
    return Place(target, sessions, Tools(sessions, *tools), ProgressDouble())


HERE = place()
"""This computer, without a cluster."""


def decided(step: Any, *planned: str, at: Place = HERE) -> Decision:
    """Return what a step decides after looking for itself."""
    seen = observe(at.sessions, at.tools, at.target, [step], 10)
    changes = frozenset((at.target, each) for each in planned)
    return step.decide(Look(at.target, step.name, {at.target: seen}, changes))  # type: ignore[no-any-return]


def done(step: Any, *planned: str, at: Place = HERE) -> Change:
    """Have a step do what it decides; it has to decide for a change."""
    decision = decided(step, *planned, at=at)
    assert isinstance(decision, Change), decision
    for action in decision.actions:
        assert isinstance(action, Act), action
        action.perform(at)
    return decision
