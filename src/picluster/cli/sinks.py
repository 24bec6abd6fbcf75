"""Where a run's events go: its journal, and the screen or standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from picluster.cli import crash
from picluster.cli.options import Options
from picluster.engine.bus import Bus
from picluster.engine.events import Emit
from picluster.engine.journal import begin
from picluster.engine.place import Brought, Tools
from picluster.paths import Here
from picluster.ui.recap import Recap
from picluster.ui.screen import may_draw, show
from picluster.ui.words import marks_for


@dataclass(frozen=True, slots=True)
class Sinks:
    """What is told of a run while it goes on, and what after it."""

    emit: Emit
    recap: Callable[[], str]
    stop_drawing: Callable[[], None]
    paused: Callable[[], AbstractContextManager[None]]

    def conclude(self, tools: Tools) -> None:
        """Print the recap, and what the run brought back."""
        show(self.recap(), sys.stdout)
        if brought := tools.get(Brought):
            show_brought(brought)


def show_brought(brought: Brought) -> None:
    """Show it, this once; passwords only to somebody who looks at a terminal."""
    from picluster.apps.opentakserver.administrator import NewPassword
    from picluster.steps.registry.garbage import Freed
    from picluster.ui import registry_view

    for new in brought.of(NewPassword):
        if sys.stdout.isatty():
            print(f"{new.whose} has the password {new.password.reveal()} (`picluster credentials`)")
        else:
            print(f"{new.whose} has a new password: `picluster credentials` shows it")
    for freed in brought.of(Freed):
        show(registry_view.freed_text(freed), sys.stdout)


@contextmanager
def open_sinks(here: Here, command: str, given: Options, *, progress: bool) -> Iterator[Sinks]:
    """Begin a journal, and show what happens if there is to be `progress`; end both afterwards."""
    journal = begin(here.state, command)
    recap = Recap(marks_for(sys.stdout.encoding))
    sinks: list[Emit] = [journal, recap]
    stop_drawing: Callable[[], None] = _nothing
    paused: Callable[[], AbstractContextManager[None]] = nullcontext
    if given.json and progress:
        from picluster.ui.json_lines import JsonLines

        sinks.append(JsonLines(sys.stdout))
    elif progress and may_draw(sys.stderr) and not given.verbose:
        from picluster.ui.live import LiveProgress

        live = LiveProgress(sys.stderr, marks_for(sys.stderr.encoding))
        sinks.append(live)
        stop_drawing, paused = live.close, live.paused
    elif progress:
        from picluster.ui.plain import PlainProgress

        plain = PlainProgress(sys.stderr, verbose=bool(given.verbose))
        sinks.append(plain)
        stop_drawing, paused = plain.close, plain.paused
    try:
        with crash.beside(journal.directory):
            yield Sinks(Bus(sinks, _lost_sink), recap.text, stop_drawing, paused)
    finally:
        stop_drawing()
        journal.close()


def _lost_sink(sink: Emit, error: Exception) -> None:
    print(f"{type(sink).__name__} failed and is left out: {error}", file=sys.stderr)


def _nothing() -> None:
    """Do nothing: there is no drawing to stop."""
