"""The journal of a run: every event as a JSON line, kept for `logs` and for reports.

A run is a directory, `<time in UTC>-<command>`, readable by its owner alone. `events.jsonl` holds
the events (docs/events.md), `output.log` what nodes printed, with node and step before each line,
`sequence` its number: runs follow each other by that, since a clock may be set back.
"""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from picluster.engine.events import Event, Output, to_record
from picluster.engine.lines import as_json, visible
from picluster.local_files import create
from picluster.secret import clean, redact

KEPT_RUNS = 50
"""How many runs of a cluster are kept."""

FORMAT = 1
"""Version of the events' format; it grows when a field's meaning changes."""

EVENTS = "events.jsonl"
OUTPUT = "output.log"
SEQUENCE = "sequence"
_RUNS = "runs"
_MOST_RUNS_A_SECOND = 100


def to_line(event: Event) -> str:
    """Return the event as one line of JSON, cleaned of secrets."""
    record = {"picluster": FORMAT, **to_record(event)}
    return as_json(record if clean(_texts(record)) else _masked(record)) + "\n"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _masked(value: Any) -> Any:
    """Mask before JSON escapes anything: an escaped secret would no longer be recognised."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return value


class Journal:
    """Writes one run down as it happens. A sink: call it with events."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._events = _private_text(directory / EVENTS)
        self._output = _private_text(directory / OUTPUT)

    def __call__(self, event: Event) -> None:
        """Write the event down; what is written survives a kill of this process."""
        if isinstance(event, Output):
            for line in visible(redact(event.text)).split("\n"):
                print(f"{event.target} {event.step}: {line}", file=self._output)
            self._output.flush()
            return
        self._events.write(to_line(event))
        self._events.flush()

    def close(self) -> None:
        """Close the files; later events are an error."""
        self._events.close()
        self._output.close()


def begin(state: Path, command: str) -> Journal:
    """Start the journal of a run of `command` on the cluster whose directory `state` is."""
    runs = state / _RUNS
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    for attempt in range(1, _MOST_RUNS_A_SECOND):
        name = f"{stamp}-{command}" if attempt == 1 else f"{stamp}-{command}-{attempt}"
        try:
            (runs / name).mkdir(mode=0o700)
        except FileExistsError:
            continue
        _give_number(runs / name)
        _forget_old(runs)
        return Journal(runs / name)
    raise FileExistsError(runs / stamp)


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run that was written down."""

    directory: Path

    @property
    def name(self) -> str:
        """What `picluster logs` calls it."""
        return self.directory.name

    def events(self) -> Iterator[dict[str, Any]]:
        """Return its events; a last line that was cut off is left out."""
        path = self.directory / EVENTS
        for line in _text_of(path).split("\n"):
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                return

    def output(self) -> str:
        """Return what the nodes printed."""
        return _text_of(self.directory / OUTPUT)


def recorded_runs(state: Path) -> list[RecordedRun]:
    """Return the recorded runs of a cluster, the newest first."""
    runs = state / _RUNS
    return [RecordedRun(path) for path in _newest_first(runs)] if runs.is_dir() else []


def _newest_first(runs: Path) -> list[Path]:
    """Return the runs as they began; one that another process is just making is none yet."""
    begun = (each for each in runs.iterdir() if _number(each) or (each / EVENTS).exists())
    return sorted(begun, key=lambda run: (_number(run), run.name), reverse=True)


def _number(run: Path) -> int:
    """Return which run it is; 0 for those of earlier releases, which have but their time."""
    try:
        return int((run / SEQUENCE).read_text())
    except (OSError, ValueError):
        return 0


def _give_number(run: Path) -> None:
    number = 1 + max(map(_number, run.parent.iterdir()))
    with _private_text(run / SEQUENCE) as file:
        file.write(f"{number}\n")


def _forget_old(runs: Path) -> None:
    for path in _newest_first(runs)[KEPT_RUNS:]:
        shutil.rmtree(path, ignore_errors=True)


def _text_of(path: Path) -> str:
    """Return a file of the journal as it was written: read as text, a `\\r` ends a line."""
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""


def _private_text(path: Path) -> IO[str]:
    return io.TextIOWrapper(create(path), encoding="utf-8")
