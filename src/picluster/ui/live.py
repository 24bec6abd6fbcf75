"""Progress on a terminal: nodes down, phases across, and what each node is doing right now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
_NO_TIME = 1.0
_NAMED = 2
_SYMBOL_STYLE = {"ok": "green", "changed": "yellow", "failed": "bold red", "skipped": "dim"}


@dataclass(slots=True)
class Row:
    """What a node has come to, and is at: what it does and waits for, and since when each."""

    phases: dict[str, str] = field(default_factory=dict)
    doing: str = ""
    state: str = ""
    since: float = 0.0
    state_since: float = 0.0
    idle_since: float = 0.0
    stopped: bool = False


class LiveProgress:
    """A table that is drawn again as events arrive. A sink; `close` leaves its last state."""

    def __init__(
        self, stream: TextIO, marks: Marks, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._marks = marks
        self._rows: dict[str, Row] = {}
        self._phases: tuple[str, ...] = ()
        self._phase = ""
        self._title = ""
        self._began = clock()
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
                self._rows = {target: Row() for target in event.targets}
            case PhaseStarted():
                self._phase = event.phase
                for target in event.targets:
                    row = self._row(target)
                    row.phases.setdefault(event.phase, "")
                    row.idle_since = self._clock()
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
                row.doing, row.state, row.since = event.summary, "", self._clock()
            case StepProgress():
                row = self._row(event.target)
                if event.state != row.state:
                    row.state, row.state_since = event.state, self._clock()
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
            row.idle_since = self._clock()

    def _row(self, target: str) -> Row:
        return self._rows.setdefault(target, Row())

    def _table(self) -> Table:
        with self._lock:
            now = self._clock()
            elapsed = duration(now - self._began)
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
                table.add_row(Text(target), *cells, Text(safe(self._at(target, now))))
            return table

    def _at(self, target: str, now: float) -> str:
        """Say what a node is at, or for whom it waits."""
        row = self._rows[target]
        if row.doing or self._phase not in row.phases:
            return what_it_does(row, now)
        busy = {name: each for name, each in self._rows.items() if each.doing and not each.stopped}
        return for_whom_it_waits(busy, row, now)

    def _whereabouts(self) -> str:
        """Say which phase it is, which a column cannot where all share one."""
        if self._phase not in self._phases:
            return ""
        return f"{self._phase}, {self._phases.index(self._phase) + 1} of {len(self._phases)} · "

    def _phases_take(self) -> int:
        """Return how many columns of the terminal the phases' names take."""
        return sum(len(phase) + 2 for phase in self._phases)

    def _symbol(self, row: Row, phase: str) -> Text:
        outcome = row.phases.get(phase)
        if outcome:
            return Text(self._marks.of(outcome), style=_SYMBOL_STYLE[outcome])
        return Text("…" if outcome == "" and phase == self._phase else "")


def what_it_does(row: Row, now: float) -> str:
    """Return what a node does, and what it waits for: since when each, if not the same. Pure."""
    if not row.doing:
        return ""
    state = row.state
    if state and row.state_since - row.since >= _NO_TIME:
        state = f"{state}, {duration(now - row.state_since)}"
    took = duration(now - row.since) if row.since else ""
    return " · ".join(part for part in (row.doing, state, took) if part)


def for_whom_it_waits(busy: Mapping[str, Row], row: Row, now: float) -> str:
    """Return for which others a node that has nothing to do waits, and since when. Pure."""
    if not busy:
        return ""
    names = list(busy)
    told = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" * (len(names) > _NAMED))
    since = max(row.idle_since, min(each.since for each in busy.values()))
    return f"waits for {told} · {duration(now - since)}"
