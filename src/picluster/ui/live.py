"""Progress on a terminal: nodes down, phases across, and what each node is doing right now."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from picluster.engine.events import (
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
from picluster.ui.words import Marks, duration, safe

_REFRESH_PER_SECOND = 5
_SYMBOL_STYLE = {"ok": "green", "changed": "yellow", "failed": "bold red", "skipped": "dim"}


@dataclass(slots=True)
class _Row:
    phases: dict[str, str] = field(default_factory=dict)
    doing: str = ""
    state: str = ""
    since: float = 0.0
    stopped: bool = False


class LiveProgress:
    """A table that is drawn again as events arrive. A sink; `close` leaves its last state."""

    def __init__(self, stream: TextIO, marks: Marks) -> None:
        self._marks = marks
        self._rows: dict[str, _Row] = {}
        self._phases: tuple[str, ...] = ()
        self._phase = ""
        self._title = ""
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._console = Console(file=stream)
        self._live = Live(
            get_renderable=self._table,
            console=self._console,
            refresh_per_second=_REFRESH_PER_SECOND,
            transient=True,
        )

    def __call__(self, event: Event) -> None:
        """Change what is shown."""
        with self._lock:
            self._take(event)
        if isinstance(event, RunStarted):
            self._live.start()
        elif isinstance(event, RunFinished):
            self.close()

    def close(self) -> None:
        """Stop drawing; closing twice is fine."""
        self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to a question, and draw on afterwards."""
        drawing = self._live.is_started
        self._live.stop()
        try:
            yield
        finally:
            if drawing:
                self._live.start()

    def _take(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._phases = event.phases
                self._title = f"{event.command} {event.cluster}"
                self._rows = {target: _Row() for target in event.targets}
            case PhaseStarted():
                self._phase = event.phase
                for target in event.targets:
                    self._row(target).phases.setdefault(event.phase, "")
            case PhaseFinished():
                for row in self._rows.values():
                    if row.phases.get(event.phase) == "":
                        row.phases[event.phase] = "skipped" if row.stopped else "ok"
                    if not row.stopped:
                        row.doing = row.state = ""
            case _:
                self._take_step(event)

    def _take_step(self, event: Event) -> None:
        match event:
            case StepStarted():
                row = self._row(event.target)
                row.doing, row.state, row.since = event.summary, "", time.monotonic()
            case StepProgress():
                self._row(event.target).state = event.state
            case StepFinished():
                self._finished(event)
            case TargetFailed():
                row = self._row(event.target)
                row.phases[event.phase] = "failed"
                row.doing, row.state, row.stopped = event.what, "", True

    def _finished(self, event: StepFinished) -> None:
        row = self._row(event.target)
        worst = ("", "ok", "skipped", "changed", "failed")
        now = row.phases.get(event.phase, "")
        row.phases[event.phase] = max(now, event.outcome, key=worst.index)
        if event.outcome == "changed":
            row.doing = row.state = ""

    def _row(self, target: str) -> _Row:
        return self._rows.setdefault(target, _Row())

    def _table(self) -> Table:
        with self._lock:
            elapsed = duration(time.monotonic() - self._began)
            title = f"{self._title} · {self._whereabouts()}{elapsed}"
            # Not expanded, a long text in the last column would take the others' room.
            table = Table(title=title, title_justify="left", box=None, expand=True)
            table.add_column("node", no_wrap=True)
            together = self._phases_take() > self._console.width // 2
            for phase in ("phases",) if together else self._phases:
                table.add_column(phase, justify="center", no_wrap=True)
            table.add_column("now", overflow="ellipsis", no_wrap=True, ratio=1)
            for target, row in self._rows.items():
                cells = [self._symbol(row, phase) for phase in self._phases]
                if together:
                    cells = [Text(" ").join(cell or Text("·", style="dim") for cell in cells)]
                table.add_row(Text(target), *cells, Text(safe(_now(row))))
            return table

    def _whereabouts(self) -> str:
        """Say which phase it is, which a column cannot where all share one."""
        if self._phase not in self._phases:
            return ""
        return f"{self._phase}, {self._phases.index(self._phase) + 1} of {len(self._phases)} · "

    def _phases_take(self) -> int:
        """Return how many columns of the terminal the phases' names take."""
        return sum(len(phase) + 2 for phase in self._phases)

    def _symbol(self, row: _Row, phase: str) -> Text:
        outcome = row.phases.get(phase)
        if outcome:
            return Text(self._marks.of(outcome), style=_SYMBOL_STYLE[outcome])
        return Text("…" if outcome == "" and phase == self._phase else "")


def _now(row: _Row) -> str:
    if not row.doing:
        return ""
    took = duration(time.monotonic() - row.since) if row.since else ""
    return " · ".join(part for part in (row.doing, row.state, took) if part)
