"""Looking at a step of the cluster, and doing what it decides, as the engine would."""

from __future__ import annotations

from typing import Any

from tests.doubles.progress import ProgressDouble

from picluster.engine.step import Call, Change, Decision, Observation, Query
from picluster.engine.survey import CLUSTER, Look


def decided(step: Any, *planned: str) -> Decision:
    """Return what a step with a query decides after looking."""
    probe = step.probe()
    assert isinstance(probe, Query)
    seen = {step.name: Observation(value=probe.run())}
    return step.decide(  # type: ignore[no-any-return]
        Look(CLUSTER, step.name, {CLUSTER: seen}, frozenset((CLUSTER, each) for each in planned))
    )


def done(step: Any, *planned: str) -> Change:
    """Have a step do what it decides; it has to decide for a change."""
    decision = decided(step, *planned)
    assert isinstance(decision, Change), decision
    for action in decision.actions:
        assert isinstance(action, Call)
        action.run(ProgressDouble())
    return decision
