"""Events as JSON lines on standard output, for programs; docs/events.md has the format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from picluster.engine.events import Event, Output
from picluster.engine.journal import to_line


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Writes every event but raw output, which is for the journal."""

    stream: TextIO

    def __call__(self, event: Event) -> None:
        """Write the event's line."""
        if not isinstance(event, Output):
            self.stream.write(to_line(event))
            self.stream.flush()
