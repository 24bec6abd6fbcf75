"""What steps warn of, and whether it is still so at the end of a run that changed things since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

from picluster.engine.events import WarningSettled
from picluster.engine.observe import observe, observe_all
from picluster.engine.plan import judge_target
from picluster.engine.run import RunState, Warned
from picluster.engine.step import Satisfied
from picluster.secret import redact


def settle(warned: Sequence[Warned], run: RunState) -> None:
    """Look again at what was warned of before the last change, and tell what is different now.

    A run that changed nothing since looks at nothing; what cannot be looked at is left as it was
    said.
    """
    stale = [each for each in warned if each.begun < run.begun and run.may_look_at(each.target)]
    for _, group in groupby(stale, lambda each: id(each.sightings)):
        said = list(group)
        for each, now in _again(said, run):
            if now != each.text:
                run.emit(
                    WarningSettled(
                        phase=each.phase.name, target=each.target, step=each.step, warning=now
                    )
                )


def _again(said: Sequence[Warned], run: RunState) -> Iterator[tuple[Warned, str]]:
    """Look at one phase's targets, as a step may lean on others; yield what its steps say now."""
    phase, sightings = said[0].phase, said[0].sightings
    looks = {
        target: partial(
            observe, run.sessions, run.tools, target, phase.steps_for(target), run.look_timeout
        )
        for target in phase.targets()
        if run.may_look_at(target)
    }
    failed = observe_all(looks, sightings)
    survey = sightings.snapshot()
    for target in dict.fromkeys(each.target for each in said if each.target not in failed):
        judged = judge_target("", target, phase.steps_for(target), survey)
        now = {
            item.step.name: redact(item.decision.warning)
            for item in judged
            if isinstance(item.decision, Satisfied)
        }
        yield from ((each, now.get(each.step, each.text)) for each in said if each.target == target)
