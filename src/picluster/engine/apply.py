"""Carry out the changes of one target, in order, in as few round trips as possible."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

from picluster.causes.cause import explain
from picluster.engine.events import Emit, Output, StepProgress, StepStarted
from picluster.engine.place import Place, Tools
from picluster.engine.plan import Judged
from picluster.engine.pool import Sessions
from picluster.engine.probe import NONSENSE, senseless
from picluster.engine.reboot import reboot
from picluster.engine.script import Ended, FrameReader, compile_actions, new_marker, snippet_of
from picluster.engine.session import Session
from picluster.engine.step import Act, Action, Change, Reboot, Run, Upload, WriteFile, told_of
from picluster.errors import (
    ActionFailed,
    Interrupted,
    OutOfTime,
    PiclusterError,
    Unreachable,
    Unreadable,
)
from picluster.secret import redact

SAYS = "picluster: "
"""Begins a line by which a script of ours says what it waits for, unlike what programs print."""

_EVIDENCE_LINES = 20
_WRITE_SECONDS = 60.0


class StepError(Exception):
    """An action of a step failed: which step, and why."""

    def __init__(self, step: str, error: PiclusterError) -> None:
        super().__init__(str(error))
        self.step = step
        self.error = error


@dataclass(frozen=True, slots=True)
class Task:
    """One action of one judged step."""

    item: Judged
    change: Change
    action: Action


@dataclass(slots=True)
class StepProgressReport:
    """Tells the user where a long action is. Implements `Progress`."""

    phase: str
    target: str
    step: str
    emit: Emit
    stop: threading.Event
    _last: str = ""

    def report(self, state: str) -> None:
        """Pass the state on, once for each time it changes."""
        self._tell(state, passing=False)

    def follow(self, line: str) -> None:
        """Pass a line of output or a count on."""
        self._tell(line, passing=True)

    def _tell(self, state: str, *, passing: bool) -> None:
        state = redact(state)
        if state != self._last:
            self._last = state
            self.emit(
                StepProgress(
                    phase=self.phase,
                    target=self.target,
                    step=self.step,
                    state=state,
                    passing=passing,
                )
            )

    def sleep(self, seconds: float) -> None:
        """Wait; raises `Interrupted` as soon as the user stops the run."""
        if self.stop.wait(seconds):
            raise Interrupted(
                "stopped while waiting", where=self.target, fix="run the same command to go on"
            )

    def clock(self) -> float:
        """Return the time in seconds, by a clock that only moves forward."""
        return time.monotonic()


Shellish: TypeAlias = Run | WriteFile
"""Actions that are shell text on the node, and so can travel together."""


@dataclass(slots=True)
class Applier:
    """Carries out changes on one target of a phase."""

    phase: str
    target: str
    sessions: Sessions
    tools: Tools
    emit: Emit
    stop: threading.Event
    seconds: dict[str, float] = field(default_factory=dict)
    _started: dict[str, float] = field(default_factory=dict)

    def apply(self, items: Sequence[Judged]) -> None:
        """Carry out every change of `items`, in order. Raises `StepError` at the first failure."""
        tasks = [
            Task(item, item.decision, action)
            for item in items
            if isinstance(item.decision, Change)
            for action in item.decision.actions
        ]
        for shellish, group in groupby(tasks, lambda task: isinstance(task.action, Shellish)):
            if shellish:
                self._apply_batch(list(group))
            else:
                for task in group:
                    self.started(task)
                    self._apply_one(task)
                    self.finished(task)

    def _apply_one(self, task: Task) -> None:
        progress = StepProgressReport(
            self.phase, self.target, task.item.step.name, self.emit, self.stop
        )
        try:
            match task.action:
                case Reboot(timeout):
                    reboot(self.sessions, self.target, timeout, progress)
                case Upload(source, path, sha256, mode, owner, timeout):
                    progress.report(f"uploading {source.name}")
                    self.sessions.get(self.target).upload(
                        source, path, sha256=sha256, mode=mode, owner=owner, timeout=timeout
                    )
                case Act() as act:
                    progress.follow(act.title)
                    act.perform(Place(self.target, self.sessions, self.tools, progress))
        except PiclusterError as error:
            raise StepError(task.item.step.name, error) from error
        except OSError as error:
            refused = ActionFailed(
                "this computer refuses it",
                where=self.target,
                why=str(error),
                fix="make the file readable, or room for it, and run the same command again",
            )
            raise StepError(task.item.step.name, refused) from error
        except NONSENSE as error:
            told = senseless("an answer while it was done", self.target, error)
            raise StepError(task.item.step.name, told) from error

    def _apply_batch(self, tasks: list[Task]) -> None:
        """Run shell actions as one script; go on after a lost connection where that is safe."""
        done = _Batch(self, tasks)
        try:
            done.run()
        except Unreachable as error:
            rest = tasks[done.finished :]
            if isinstance(error, OutOfTime) or not all(task.change.retry_safe for task in rest):
                raise StepError(rest[0].item.step.name, error) from error
            self.sessions.renew(self.target, done.session)
            _Batch(self, rest).run()

    def started(self, task: Task) -> None:
        """Tell the sinks, at the first action of each step."""
        step = task.item.step
        if step.name not in self._started:
            self._started[step.name] = time.monotonic()
            self.emit(
                StepStarted(
                    phase=self.phase,
                    target=self.target,
                    step=step.name,
                    title=step.title,
                    summary=redact(task.change.summary),
                    actions=tuple(redact(told_of(each)) for each in task.change.actions),
                )
            )

    def finished(self, task: Task) -> None:
        """Note how long the task's step has taken so far."""
        name = task.item.step.name
        self.seconds[name] = time.monotonic() - self._started[name]


@dataclass(slots=True)
class _Batch:
    """One script of several actions, followed as its output arrives."""

    applier: Applier
    tasks: list[Task]
    finished: int = 0
    session: Session | None = None
    _marker: str = field(default_factory=new_marker)
    _tail: list[str] = field(default_factory=list)
    _failed: int | None = None

    def run(self) -> None:
        applier = self.applier
        script = compile_actions(
            [snippet_of(task.action) for task in self.tasks if isinstance(task.action, Shellish)],
            self._marker,
        )
        readers = {"stdout": FrameReader(self._marker), "stderr": FrameReader(self._marker)}

        def on_output(stream: str, data: bytes) -> None:
            for item in readers[stream].feed(data):
                self._follow(stream, item)

        applier.started(self.tasks[0])
        self.session = applier.sessions.get(applier.target)
        try:
            done = self.session.run(script, timeout=self._timeout(), on_output=on_output)
        except Unreadable as error:
            step = self.tasks[min(self.finished, len(self.tasks) - 1)].item.step.name
            raise StepError(step, error.about(applier.target, "\n".join(self._tail))) from None
        if self._failed is not None:
            self._raise_failure(self._failed)
        if self.finished < len(self.tasks):
            self._failed = done.status
            self._raise_failure(done.status)

    def _timeout(self) -> float:
        return sum(
            task.action.timeout if isinstance(task.action, Run) else _WRITE_SECONDS
            for task in self.tasks
        )

    def _follow(self, stream: str, item: str | Ended) -> None:
        if isinstance(item, str):
            self._line(item)
        elif stream == "stdout":
            if item.status:
                self._failed = item.status
                return
            if item.number >= len(self.tasks):
                raise Unreadable(f"a part {item.number + 1} ended, of {len(self.tasks)}")
            self.applier.finished(self.tasks[item.number])
            self.finished = item.number + 1
            self._tail.clear()
            if self.finished < len(self.tasks):
                self.applier.started(self.tasks[self.finished])

    def _line(self, line: str) -> None:
        text = redact(line)
        self._tail = [*self._tail, text][-_EVIDENCE_LINES:]
        step = self.tasks[min(self.finished, len(self.tasks) - 1)].item.step.name
        applier = self.applier
        applier.emit(Output(phase=applier.phase, target=applier.target, step=step, text=text))
        if text.strip():
            state = text.strip()
            said = state.removeprefix(SAYS)
            applier.emit(
                StepProgress(
                    phase=applier.phase,
                    target=applier.target,
                    step=step,
                    state=said,
                    passing=said == state,
                )
            )

    def _raise_failure(self, status: int) -> None:
        task = self.tasks[self.finished]
        evidence = "\n".join(self._tail)
        last = next((line for line in reversed(self._tail) if line.strip()), "no output")
        known = task.action.causes if isinstance(task.action, Run) else ()
        cause = explain(evidence, known)
        raise StepError(
            task.item.step.name,
            ActionFailed(
                f"{task.change.summary}: ended with status {status}",
                where=self.applier.target,
                why=cause.why if cause else last,
                fix=cause.fix.replace("NODE", self.applier.target)
                if cause
                else "see the output above; once the cause is gone, run the same command again",
                evidence=evidence,
            ),
        )
