"""One place to tell events to, and as many sinks behind it as a run needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from picluster.engine.events import Emit, Event

Report = Callable[[Emit, Exception], None]


class Bus:
    """Passes each event to every sink, one event at a time, in the order in which they arrive.

    A sink that fails is left out from then on and reported once: a full disk under the journal
    must not stop the work on the cluster.
    """

    def __init__(self, sinks: Sequence[Emit], report: Report) -> None:
        self._sinks = list(sinks)
        self._report = report
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Tell every sink that still works."""
        with self._lock:
            for sink in list(self._sinks):
                try:
                    sink(event)
                except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the run goes on
                    self._sinks.remove(sink)
                    self._report(sink, error)
