"""Make a phase so: look, judge, change, look again.

A no-op phase costs one script per node, or none if what it asks has been seen (`recollection`). A
changing one costs three (look, change, look again); the first changing one of a run costs a fourth,
because it looks again once it holds the lock.

A step may change a target once per run: one that wants to change it a second time has not
converged, and that is a failure with the evidence shown, never a loop.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import takewhile
from threading import Event

from picluster.engine.apply import Applier, StepError
from picluster.engine.events import Outcome, PhaseFinished, PhaseStarted, StepFinished
from picluster.engine.observe import Sightings, observe, observe_all
from picluster.engine.phase import Phase, Stage
from picluster.engine.plan import Judged, LeftOut, PhasePlan, judge_phase, judge_target
from picluster.engine.refusal import refusal, refuse_if_blocked
from picluster.engine.run import RunState, Warned
from picluster.engine.step import Blocked, Change, Risk, Satisfied, ShellProbe, Step
from picluster.engine.survey import Look, Survey
from picluster.errors import NodeError, NotConverged, PiclusterError, PreflightRefused
from picluster.secret import redact


def plan_phase(phase: Phase, run: RunState) -> PhasePlan:
    """Look at every target and judge; change nothing.

    Nodes that cannot be worked on are recorded in the run, and nothing is planned for them. Raises
    any other failure to look.
    """
    phase, left_out = _possible(phase, run)
    plan = _look_and_judge(phase, run, Sightings())
    for error in run.failures.values():
        if not isinstance(error, NodeError):
            raise error
    return replace(plan, left_out=left_out)


def run_phase(phase: Phase, run: RunState) -> bool:
    """Make the phase so on every target; return whether later phases may go on.

    What fails on a target is recorded in the run and told to its sinks. Raised is only what ends
    the whole run: a refusal before anything was changed, the lock, the user's interruption.
    """
    began = time.monotonic()
    phase, left_out = _possible(phase, run)
    run.emit(PhaseStarted(phase=phase.name, title=phase.title, targets=tuple(phase.targets())))
    outcome: Outcome = "failed"
    try:
        for each in left_out:
            run.fail(phase.name, each.node, each.error)
        goes_on, done = _converge_phase(phase, run)
        outcome = "failed" if left_out else done
    finally:
        run.emit(
            PhaseFinished(
                phase=phase.name,
                seconds=time.monotonic() - began,
                outcome=outcome,
                missing=tuple(each for each in _wanted(phase, run) if each in run.missing),
            )
        )
    return goes_on


def _possible(phase: Phase, run: RunState) -> tuple[Phase, tuple[LeftOut, ...]]:
    """Leave out the stages that need a node which cannot be worked on; say which node it is."""
    missing, kept = run.missing, []
    left_out: dict[str, list[str]] = {}
    for stage in phase.stages:
        gone = sorted(missing & set(stage.needs))
        if gone:
            left_out.setdefault(gone[0], []).append(stage.title)
        else:
            kept.append(stage)
    told = tuple(LeftOut(node, tuple(titles)) for node, titles in left_out.items())
    return replace(phase, stages=tuple(kept)), told


def _converge_phase(phase: Phase, run: RunState) -> tuple[bool, Outcome]:
    sightings = Sightings()
    plan = _look_and_judge(phase, run, sightings)
    refuse_if_blocked(plan.blocked, run)
    run.renew_lock()
    if plan.changes and run.ensure_lock():
        # What was seen before the lock was ours may have been another run's half-done work.
        plan = _look_and_judge(phase, run, sightings)
        refuse_if_blocked(plan.blocked, run)
    for item in plan.blocked:
        run.fail(phase.name, item.target, refusal([item], run))
    held = len(run.held)
    stages = list(phase.stages)
    while stages:
        away, survey = run.missing, sightings.snapshot()
        first = stages.pop(0)
        beside = _beside(stages, survey)
        del stages[: len(beside)]
        _run_stage(phase, first, run, sightings, beside)
        run.check_stop("")
        if any(_is_barred(stage, away, run) for stage in (first, *beside)):
            for later in stages:
                _skip(phase.name, later, list(later.steps), run)
            return False, "failed"
    there = [each for each in _wanted(phase, run) if each not in run.missing]
    if len(run.held) > held or any(each in run.failures for each in there):
        return True, "failed"
    return True, "changed" if plan.changes else "ok" if there else "skipped"


def _wanted(phase: Phase, run: RunState) -> list[str]:
    """Return the targets that the run was asked to work on."""
    return [each for each in phase.targets() if run.in_scope(each)]


def _beside(stages: Sequence[Stage], survey: Survey) -> list[Stage]:
    """Return the stages that go along with the one before them."""
    return list(takewhile(lambda stage: stage.along(survey), stages))


def _is_barred(stage: Stage, away: frozenset[str], run: RunState) -> bool:
    """Whether nothing may come after what became of a stage."""
    return stage.barrier and any(_is_in_the_way(each, stage, away, run) for each in stage.steps)


def _is_in_the_way(target: str, stage: Stage, away: frozenset[str], run: RunState) -> bool:
    """Whether what became of a target of a barrier stage keeps the others from going on."""
    if target not in run.failures:
        return False
    if not stage.independent or target not in run.missing:
        return True
    # Lost in the middle of what the guard allowed: nobody knows what it still counts for.
    return stage.guard is not None and target not in away


def _look_and_judge(phase: Phase, run: RunState, sightings: Sightings) -> PhasePlan:
    """Survey every target, nodes first: queries about the cluster may lean on what nodes said."""
    steps = {target: phase.steps_for(target) for target in phase.targets()}
    queries = {target for target in steps if _only_queries(steps[target])}
    for group in (set(steps) - queries, queries):
        looks = {
            target: partial(
                observe,
                run.sessions,
                run.tools,
                target,
                steps[target],
                run.look_timeout,
                before=run.seen,
            )
            for target in steps
            if target in group and run.may_look_at(target)
        }
        for target, error in observe_all(looks, sightings).items():
            if run.in_scope(target):
                run.fail(phase.name, target, error)
    return judge_phase(phase, sightings.snapshot(), _scope(phase, run))


def _only_queries(steps: Sequence[Step]) -> bool:
    probes = (step.probe() for step in steps)
    return not any(isinstance(probe, ShellProbe) for probe in probes)


def _scope(phase: Phase, run: RunState) -> set[str]:
    return {target for target in phase.targets() if run.may_change(target)}


def _run_stage(
    phase: Phase, stage: Stage, run: RunState, sightings: Sightings, beside: Sequence[Stage] = ()
) -> None:
    """Converge the stage's targets, the leader first and then as many at once as its width allows.

    The stages `beside` it begin when the leader is done.
    """
    targets = [target for target in stage.steps if run.may_change(target)]
    width = stage.width(sightings.snapshot()) if targets else None
    halted = Event()
    work = [_Convergence(phase, stage, target, run, sightings) for target in targets]
    led = [each for each in work if each.target != stage.leader]

    def do(each: _Convergence) -> None:
        if halted.is_set() or run.stop.is_set():
            _skip(phase.name, stage, [each.target], run)
            return
        each.run()
        if width is not None and each.target in run.failures:
            halted.set()

    def do_stage(each: Stage) -> None:
        if halted.is_set():
            _skip(phase.name, each, list(each.steps), run)
        else:
            _run_stage(phase, each, run, sightings)

    for each in work:
        if each.target == stage.leader:
            do(each)
    with (
        ThreadPoolExecutor(max_workers=max(1, len(beside))) as others,
        ThreadPoolExecutor(max_workers=max(1, min(width or len(led), len(led)))) as pool,
    ):
        going = [others.submit(do_stage, each) for each in beside]
        list(pool.map(do, led))
    for each_beside in going:
        each_beside.result()
    _give_what_was_held_back_another_chance(work, halted, run)


def _give_what_was_held_back_another_chance(
    work: Sequence[_Convergence], halted: Event, run: RunState
) -> None:
    """Ask the guard anew where others were changed: what it missed may be back by that."""
    brought_in_order = any(each.applied for each in work)
    for each in work:
        if each.held and brought_in_order and not halted.is_set() and not run.stop.is_set():
            each.run()
            if each.target in run.failures:
                halted.set()
        if each.held:
            each.leave_as_it_is(each.held)


def _skip(phase: str, stage: Stage, targets: Sequence[str], run: RunState) -> None:
    for target in targets:
        if run.in_scope(target):
            for step in stage.steps[target]:
                _count(phase, target, step, "skipped", run)


def _count(
    phase: str,
    target: str,
    step: Step,
    outcome: Outcome,
    run: RunState,
    *,
    detail: str = "",
    warning: str = "",
    seconds: float = 0.0,
    evidence: str = "",
) -> None:
    run.count(
        StepFinished(
            phase=phase,
            target=target,
            step=step.name,
            title=step.title,
            outcome=outcome,
            detail=detail,
            warning=warning,
            seconds=seconds,
            evidence=evidence,
        )
    )


class _HeldBack(Exception):
    """The guard leaves a target as it is, in a stage where each stands for itself."""

    def __init__(self, why: PreflightRefused) -> None:
        super().__init__(str(why))
        self.why = why


class _Convergence:
    """The rounds of look, judge and change of one target in one stage."""

    def __init__(
        self, phase: Phase, stage: Stage, target: str, run: RunState, sightings: Sightings
    ) -> None:
        self.phase = phase
        self.stage = stage
        self.target = target
        self.context = run
        self.sightings = sightings
        self.steps = stage.steps[target]
        self.applied: dict[str, Change] = {}
        self.held: PreflightRefused | None = None
        self.applier = Applier(phase.name, target, run.sessions, run.tools, run.emit, run.stop)

    def run(self) -> None:
        """Converge, and account for every step; a failure is recorded, not raised.

        What the guard held back is left in `held`, and not accounted for yet.
        """
        self.held = None
        try:
            judged = self._converge()
        except StepError as failure:
            self._account_for_failure(failure.step, failure.error)
            self.context.fail(self.phase.name, self.target, failure.error)
        except _HeldBack as back:
            self.held = back.why
        except PiclusterError as error:
            self._account_for_failure("", error)
            self.context.fail(self.phase.name, self.target, error)
        else:
            for item in judged:
                self._account(item)

    def leave_as_it_is(self, why: PreflightRefused) -> None:
        """Account for a target that the guard holds back."""
        self._account_for_failure("", why)
        self.context.hold(self.phase.name, self.target, why)

    def _converge(self) -> list[Judged]:
        while True:
            judged = self._judge()
            blocked = [item for item in judged if isinstance(item.decision, Blocked)]
            if blocked:
                raise refusal(blocked, self.context)
            todo = {
                item.step.name: item.decision
                for item in judged
                if isinstance(item.decision, Change)
            }
            if not todo:
                return judged
            self._refuse_repetition(judged)
            self.context.check_stop(self.target)
            self._ask_the_guard(max(change.risk for change in todo.values()))
            self.context.ensure_lock()
            self.context.begin(len(todo))
            self.applied |= todo
            self.applier.apply(judged)
            self._look_again()

    def _ask_the_guard(self, risk: Risk) -> None:
        if self.stage.guard is None or risk < Risk.RESTART:
            return
        self.context.seen.forget()  # a ruling is about what is so now
        try:
            self.stage.guard(self.target)
        except PreflightRefused as refused:
            if self.stage.independent:
                raise _HeldBack(refused) from refused
            raise

    def _judge(self) -> list[Judged]:
        survey, stage = self.sightings.snapshot(), self.stage.title
        served = [name for name, change in self.applied.items() if change.once]
        return judge_target(stage, self.target, self.steps, survey, served=served)

    def _look_again(self) -> None:
        steps = self.phase.steps_for(self.target)
        context = self.context
        seen = observe(
            context.sessions,
            context.tools,
            self.target,
            steps,
            context.look_timeout,
            before=context.seen,
        )
        self.sightings.record(self.target, seen)

    def _refuse_repetition(self, judged: Sequence[Judged]) -> None:
        for item in judged:
            decision = item.decision
            if isinstance(decision, Change) and item.step.name in self.applied:
                raise StepError(
                    item.step.name,
                    NotConverged(
                        f"{item.step.title}: done, and still not so",
                        where=self.target,
                        why=decision.reason or decision.summary,
                        fix="something on the node may be undoing it; see what the probe saw",
                        evidence=self._evidence(item.step),
                    ),
                )

    def _evidence(self, step: Step) -> str:
        probe = step.probe()
        if probe is None:
            return ""
        if probe.secret:
            return "(not shown: it may hold a secret)"
        facts = Look(self.target, step.name, self.sightings.snapshot()).find(probe)
        return redact(str(facts))

    def _account(self, item: Judged) -> None:
        change = self.applied.get(item.step.name)
        satisfied = item.decision if isinstance(item.decision, Satisfied) else Satisfied()
        warning = redact(satisfied.warning)
        if warning:
            self._remember(item.step, warning)
        if change is None:
            _count(
                self.phase.name,
                self.target,
                item.step,
                "ok",
                self.context,
                detail=redact(satisfied.detail),
                warning=warning,
            )
        else:
            self._account_for_change(item.step, change, warning)

    def _remember(self, step: Step, text: str) -> None:
        run = self.context
        run.warn(Warned(self.phase, self.sightings, self.target, step.name, text, run.begun))

    def _account_for_change(self, step: Step, change: Change, warning: str = "") -> None:
        _count(
            self.phase.name,
            self.target,
            step,
            "changed",
            self.context,
            detail=redact(change.summary),
            warning=warning,
            seconds=self.applier.seconds.get(step.name, 0.0),
        )

    def _account_for_failure(self, failed: str, error: PiclusterError) -> None:
        """Count what was done as changed, what failed as failed, and the rest as skipped."""
        for step in self.steps:
            if step.name == failed:
                _count(
                    self.phase.name,
                    self.target,
                    step,
                    "failed",
                    self.context,
                    detail=redact(error.what),
                    evidence=redact(error.evidence),
                )
            elif step.name in self.applier.seconds:
                self._account_for_change(step, self.applied[step.name])
            else:
                _count(self.phase.name, self.target, step, "skipped", self.context)


__all__ = ["plan_phase", "run_phase"]
