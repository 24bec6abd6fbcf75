"""One place to tell events to, and as many sinks behind it as a run needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from picluster.engine.events import Emit, Event
from picluster.secret import clean, redact

Report = Callable[[Emit, Exception], None]


class Bus:
    """Passes each event to every sink, one event at a time, in the order in which they arrive.

    No sink is told a known secret, whoever put it into an event.

    A sink that fails is left out from then on and reported once: a full disk under the journal
    must not stop the work on the cluster.
    """

    def __init__(self, sinks: Sequence[Emit], report: Report) -> None:
        self._sinks = list(sinks)
        self._report = report
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Tell every sink that still works."""
        event = _masked(event)
        with self._lock:
            for sink in list(self._sinks):
                try:
                    sink(event)
                except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the run goes on
                    self._sinks.remove(sink)
                    self._report(sink, error)


def _masked(event: Event) -> Event:
    said = {each.name: getattr(event, each.name) for each in fields(event)}
    texts = {name: text for name, text in said.items() if isinstance(text, str)}
    if clean(texts.values()):
        return event
    masked: dict[str, Any] = {name: redact(text) for name, text in texts.items()}
    return replace(event, **masked)
