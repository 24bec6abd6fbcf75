"""Looks of steps, made of what probes would have printed, or of facts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from picluster.engine.pool import Sessions
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.step import Decision, Step
from picluster.engine.survey import Look
from picluster.errors import Unreadable

Seen = dict[str, object]


def printed(probe: ShellProbe[Any], *lines: str) -> Seen:
    """What is seen when the probe prints these lines."""
    return {probe.name: probe.parse(Observation(out="".join(f"{line}\n" for line in lines)))}


def answered(steps: Sequence[Step], *lines: str) -> Seen:
    """What is seen when every probe prints the same lines, as far as they make sense to it.

    A probe that they make no sense to has failed its node, and no decision comes to see it.
    """
    seen: Seen = {}
    for step in steps:
        probe = step.probe()
        if isinstance(probe, ShellProbe):
            with contextlib.suppress(Unreadable):
                seen |= printed(probe, *lines)
    return seen


def errors_of(steps: Sequence[Step], sessions: Sessions) -> str:
    """What the shell of every probe writes to standard error, in small letters."""
    texts = [probe.text for step in steps if isinstance(probe := step.probe(), ShellProbe)]
    done = [sessions.read("pi1", text, timeout=60) for text in texts]
    return "".join(each.err.decode("utf-8", "replace").lower() for each in done)


def judged(steps: Sequence[Step], seen: Seen) -> dict[str, Decision]:
    """Return what each step decides, of those whose probe was answered."""
    return {
        step.name: step.decide(look_at(step, seen))
        for step in steps
        if (probe := step.probe()) is None or probe.name in seen
    }


def known(**facts: object) -> Seen:
    """What is seen when probes have these facts; a name's `_` stands for `-`."""
    return {name.replace("_", "-"): value for name, value in facts.items()}


def look_at(
    step: Step, *seen: Seen, planned: tuple[str, ...] = (), others: Mapping[str, Seen] | None = None
) -> Look:
    """Look at pi1, where all this was seen; `planned` are steps that are about to change it."""
    everything = {name: what for each in seen for name, what in each.items()}
    survey = {"pi1": everything} | dict(others or {})
    return Look("pi1", step.name, survey, frozenset(("pi1", name) for name in planned))


def decide(step: Step, *lines: str, planned: tuple[str, ...] = ()) -> Decision:
    """Return what a step decides when its own shell probe prints these lines."""
    probe = step.probe()
    assert isinstance(probe, ShellProbe), f"{step.name} has no typed shell probe"
    return step.decide(look_at(step, printed(probe, *lines), planned=planned))


def decide_from(step: Step, facts: object, *more: Seen, planned: tuple[str, ...] = ()) -> Decision:
    """Return what a step decides when its own probe has these facts."""
    probe = step.probe()
    assert probe is not None
    own = {probe.name: facts}
    return step.decide(look_at(step, own, *more, planned=planned))
