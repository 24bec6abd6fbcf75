"""Progress as plain lines, for pipes, files and CI: satisfied steps have none.

What a change waits for is told at once whenever it changes; what lasts gives a sign of life after
five seconds, and then every half minute. That is the affair of this clock and of nobody else: it
goes on while an observation hangs, and while a command on a node says nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from picluster.engine.events import (
    Connected,
    Event,
    PhaseFinished,
    PhaseStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    StepStarted,
    TargetFailed,
)
from picluster.ui.screen import show
from picluster.ui.words import duration, safe, without

FIRST_SIGN_SECONDS = 5.0
HEARTBEAT_SECONDS = 30.0
_TICK_SECONDS = 1.0


@dataclass(slots=True)
class _Doing:
    """What a target is at: since when, what it says, and when that has to be told again.

    `told` is the state of the last line, which is not written a second time.
    """

    since: float
    state: str
    due: float
    told: str = ""


@dataclass(slots=True)
class PlainProgress:
    """Writes events as lines. `verbose` also tells of satisfied steps and of every state seen."""

    stream: TextIO
    verbose: bool = False
    clock: Callable[[], float] = time.monotonic
    _doing: dict[str, _Doing] = field(default_factory=dict)
    _looking: _Doing | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _asking: bool = False

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it is worth one."""
        with self._lock:
            line = self._of_run(event) or self._of_step(event)
            self._write(line)
            if line and self._looking and not isinstance(event, RunStarted):
                self._look(self._looking.state)
        if isinstance(event, RunStarted):
            threading.Thread(target=self._keep_telling, name="heartbeat", daemon=True).start()

    def close(self) -> None:
        """Tell no more of what lasts; closing twice is fine."""
        self._over.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to a question: what lasts can wait."""
        self._asking = True
        try:
            yield
        finally:
            self._asking = False

    def tell_what_lasts(self) -> None:
        """Write a line for everything that has been silent for too long."""
        with self._lock:
            if self._asking:
                return
            now = self.clock()
            for target, doing in self._doing.items():
                if now >= doing.due:
                    self._write(f"  {target}: … {self._again(doing, now)}")
            if self._looking and not self._doing and now >= self._looking.due:
                self._write(self._again(self._looking, now))

    def _keep_telling(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more
            while not self._over.wait(_TICK_SECONDS):
                self.tell_what_lasts()

    def _again(self, doing: _Doing, now: float) -> str:
        doing.due = now + HEARTBEAT_SECONDS
        return f"{doing.state}, after {duration(now - doing.since)}"

    def _write(self, line: str) -> None:
        if line:
            show(f"{safe(line)}\n", self.stream)

    def _of_run(self, event: Event) -> str:
        match event:
            case RunStarted():
                begun = f"{event.command} {event.cluster}"
                self._look(f"{begun}: … connecting", FIRST_SIGN_SECONDS)
                return f"{begun}: " + ", ".join(event.targets)
            case Connected():
                return f"  {event.target}: connected" if self.verbose else ""
            case PhaseStarted():
                self._look(f"[{event.phase}] … looking")
                return f"[{event.phase}] {event.title}"
            case PhaseFinished():
                self._looking = None
                self._doing.clear()
                return (
                    f"[{event.phase}] {event.outcome} in {duration(event.seconds)}"
                    f"{without(event.missing)}"
                )
            case RunFinished():
                self.close()
        return ""

    def _look(self, state: str, silent: float = HEARTBEAT_SECONDS) -> None:
        now = self.clock()
        self._looking = _Doing(now, state, now + silent)

    def _of_step(self, event: Event) -> str:
        match event:
            case StepStarted():
                now = self.clock()
                self._doing[event.target] = _Doing(now, event.summary, now + FIRST_SIGN_SECONDS)
                return f"  {event.target}: {event.summary}"
            case StepProgress():
                return self._progress(event)
            case StepFinished():
                return self._finished(event)
            case TargetFailed():
                self._doing.pop(event.target, None)
                alarm = "SECURITY: " if event.alarm else ""
                return f"  {event.target}: FAILED: {alarm}{event.what}"
        return ""

    def _progress(self, event: StepProgress) -> str:
        now = self.clock()
        doing = self._doing.setdefault(event.target, _Doing(now, "", now))
        doing.state = event.state
        if event.state == doing.told or (event.passing and not self.verbose):
            return ""
        doing.told, doing.due = event.state, now + HEARTBEAT_SECONDS
        return f"  {event.target}: … {event.state}"

    def _finished(self, event: StepFinished) -> str:
        if event.outcome in ("changed", "failed"):
            self._doing.pop(event.target, None)
        if event.outcome == "changed":
            also = f"; warning: {event.warning}" if event.warning else ""
            return f"  {event.target}: done: {event.detail} ({duration(event.seconds)}){also}"
        if event.warning:
            return f"  {event.target}: warning: {event.warning}"
        if self.verbose and event.outcome == "ok":
            return f"  {event.target}: ok: {event.detail or event.title}"
        return ""
