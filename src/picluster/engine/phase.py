"""A phase: stages in order; a stage: steps on targets, all at once or a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from picluster.engine.step import Step
from picluster.engine.survey import Survey

Width: TypeAlias = Callable[[Survey], int | None]
"""How many targets of a stage may be worked on at once, given what was seen; None is all."""

Condition: TypeAlias = Callable[[Survey], bool]
"""Whether something holds, by what has been seen."""

Guard: TypeAlias = Callable[[str], None]
"""Asked before a target is disrupted; raises `PreflightRefused` with the reason to refuse."""


def all_at_once(survey: Survey) -> int | None:
    """Work on every target of the stage in parallel."""
    return None


def never(survey: Survey) -> bool:
    """Begin only when the stage before is over."""
    return False


def one_at_a_time(survey: Survey) -> int | None:
    """Work on one target after the other, and stop at the first that fails."""
    return 1


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps for each target, in order.

    `width` narrows how many targets change at once. `guard` is asked before a target gets a change
    whose risk is a restart or worse. When a `barrier` stage fails on any target, the phase stops
    there for all of them; otherwise only the failed targets stop.

    In an `independent` stage each target stands for itself: one that cannot be reached, or that the
    guard refuses to have disrupted, is left as it is, and keeps no other from going on. One that is
    lost under the guard, in the middle of what was allowed, still does. `needs` are nodes without
    which nothing of the stage can be looked at, let alone done: it is left out while one is away.

    The `leader` is worked on alone, before the others. A stage that goes `along` with the one
    before, given what was seen when that began, is worked on beside it, once its leader is done.
    """

    title: str
    steps: Mapping[str, Sequence[Step]]
    width: Width = all_at_once
    guard: Guard | None = None
    barrier: bool = True
    independent: bool = False
    needs: Collection[str] = ()
    leader: str = ""
    along: Condition = never


@dataclass(frozen=True, slots=True)
class Phase:
    """An ordered list of stages that together guarantee what the phase's title says."""

    name: str
    title: str
    stages: tuple[Stage, ...]

    def targets(self) -> list[str]:
        """Every target of any stage, in order of first appearance."""
        return list(dict.fromkeys(target for stage in self.stages for target in stage.steps))

    def steps_for(self, target: str) -> list[Step]:
        """Every step of every stage for one target, in order."""
        return [step for stage in self.stages for step in stage.steps.get(target, ())]
