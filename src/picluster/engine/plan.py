"""What differs from what is wanted: a pure function of the steps and what was seen.

`plan`, `diff`, `--dry-run` and `up` all come through `judge_target`; there is no second code path.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from picluster.engine.phase import Phase
from picluster.engine.step import Blocked, Change, Decision, Satisfied, Step
from picluster.engine.survey import Look, Survey
from picluster.errors import NodeNeeded

Planned = frozenset[tuple[str, str]]
"""The (target, step) pairs that are about to change something."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One step on one target, and what was decided about it."""

    stage: str
    target: str
    step: Step
    decision: Decision

    @property
    def key(self) -> tuple[str, str]:
        """Identify it within its phase."""
        return (self.target, self.step.name)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Stages of a phase that are not even looked at, because a node that they need is missing."""

    node: str
    stages: tuple[str, ...]

    @property
    def error(self) -> NodeNeeded:
        """Say so as a failure."""
        return NodeNeeded(
            f"left out, as this node is needed for it: {'; '.join(self.stages)}",
            fix=f"bring {self.node} back, and run the same command again",
        )


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """Every step of a phase on every target, judged, in the order in which they would be done."""

    phase: str
    title: str
    items: tuple[Judged, ...]
    survey: Survey = field(default_factory=dict, compare=False, repr=False)
    """What was seen, and all of this was judged from."""
    left_out: tuple[LeftOut, ...] = ()

    @property
    def changes(self) -> tuple[Judged, ...]:
        """The items that would change something."""
        return tuple(item for item in self.items if isinstance(item.decision, Change))

    @property
    def blocked(self) -> tuple[Judged, ...]:
        """The items that refuse; one of them is enough for nothing of the phase to be done."""
        return tuple(item for item in self.items if isinstance(item.decision, Blocked))

    @property
    def warnings(self) -> tuple[Judged, ...]:
        """The items that are satisfied and yet have something to say."""
        return tuple(
            item
            for item in self.items
            if isinstance(item.decision, Satisfied) and item.decision.warning
        )


def missing_for(item: Judged) -> tuple[str, ...]:
    """Return the nodes whose absence is the reason why a step refuses; none for another reason."""
    return item.decision.missing if isinstance(item.decision, Blocked) else ()


def judge_target(
    stage: str,
    target: str,
    steps: Sequence[Step],
    survey: Survey,
    *,
    planned: Planned = frozenset(),
    served: Collection[str] = (),
) -> list[Judged]:
    """Judge the steps of one target in order; each sees which earlier ones will change.

    `served` are steps that did what is done once.
    """
    judged = []
    for step in steps:
        look = Look(target, step.name, survey, planned)
        decision = Satisfied() if step.name in served else step.decide(look)
        if isinstance(decision, Change):
            planned |= {(target, step.name)}
        judged.append(Judged(stage, target, step, decision))
    return judged


def judge_phase(phase: Phase, survey: Survey, only: Collection[str] | None = None) -> PhasePlan:
    """Judge a whole phase from one survey, on the targets in `only` (all when it is None)."""
    planned: Planned = frozenset()
    items: list[Judged] = []
    for stage in phase.stages:
        for target, steps in stage.steps.items():
            if only is not None and target not in only:
                continue
            judged = judge_target(stage.title, target, steps, survey, planned=planned)
            planned |= {item.key for item in judged if isinstance(item.decision, Change)}
            items += judged
    return PhasePlan(phase.name, phase.title, tuple(items), survey)
