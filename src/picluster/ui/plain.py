"""Progress as plain lines, for pipes, files and CI: satisfied steps have none."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TextIO

from picluster.engine.events import (
    Connected,
    Event,
    PhaseFinished,
    PhaseStarted,
    RunStarted,
    StepFinished,
    StepProgress,
    StepStarted,
    TargetFailed,
)
from picluster.ui.screen import show
from picluster.ui.words import duration, safe

_HEARTBEAT_SECONDS = 15.0


@dataclass(slots=True)
class PlainProgress:
    """Writes events as lines. `verbose` also tells of satisfied steps and of every state seen."""

    stream: TextIO
    verbose: bool = False
    _last_state: dict[tuple[str, str], float] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it is worth one."""
        line = self._of_run(event) or self._of_step(event)
        if line:
            show(f"{safe(line)}\n", self.stream)

    def _of_run(self, event: Event) -> str:
        match event:
            case RunStarted():
                return f"{event.command} {event.cluster}: " + ", ".join(event.targets)
            case Connected():
                return f"  {event.target}: connected" if self.verbose else ""
            case PhaseStarted():
                return f"[{event.phase}] {event.title}"
            case PhaseFinished():
                return f"[{event.phase}] {event.outcome} in {duration(event.seconds)}"
        return ""

    def _of_step(self, event: Event) -> str:
        match event:
            case StepStarted():
                self._last_state[event.target, event.step] = time.monotonic()
                return f"  {event.target}: {event.summary}"
            case StepProgress():
                return self._progress(event)
            case StepFinished():
                return self._finished(event)
            case TargetFailed():
                return f"  {event.target}: FAILED: {event.what}"
        return ""

    def _progress(self, event: StepProgress) -> str:
        key, now = (event.target, event.step), time.monotonic()
        if not self.verbose and now - self._last_state.get(key, 0.0) < _HEARTBEAT_SECONDS:
            return ""
        self._last_state[key] = now
        return f"  {event.target}: … {event.state}"

    def _finished(self, event: StepFinished) -> str:
        if event.warning:
            return f"  {event.target}: warning: {event.warning}"
        if event.outcome == "changed":
            return f"  {event.target}: done: {event.detail} ({duration(event.seconds)})"
        if self.verbose and event.outcome == "ok":
            return f"  {event.target}: ok: {event.detail or event.title}"
        return ""
