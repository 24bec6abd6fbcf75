"""Running what is measured: its time, CPU and memory, what it says it spent, the machine's load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

COUNTS = ("connections", "scripts", "forks", "bytes_sent", "bytes_received")
"""What a command of picluster says of itself, of all its nodes together.

`forks` are the processes that began on the nodes while their scripts ran: logins are not in them.
"""


@dataclass
class Series:
    """One thing, measured some times. Without times it is missing, and `note` says why."""

    name: str
    note: str = ""
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    nodes_cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """A command that has to end with one of `right`: the time of a failure would mean nothing.

    `before` is done each time, unmeasured; `most` is how many rounds are enough. `changed` reads in
    its words how much it changed, and has to find as many as `changes`: else it did other work than
    what it is compared with. `meter` tells the CPU time of the nodes so far.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    right: tuple[int, ...] = (0,)
    before: Callable[[], object] = lambda: None
    most: int = 100
    changed: Callable[[str], int] | None = None
    changes: int = 0
    meter: Callable[[], float] | None = None

    def into(self, series: Series) -> str:
        """Run it once, and note what it took; return what it said."""
        self.before()
        load = os.getloadavg()[0]
        meter = self.meter or (lambda: 0.0)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            paid, began = meter(), time.perf_counter()
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **self.environment},
            )
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            said, moaned = out.read().decode(), err.read().decode()
            paid = meter() - paid
        if process.returncode not in self.right:
            raise RuntimeError(f"{' '.join(self.command[:8])} failed:\n{said}{moaned}"[-3000:])
        if self.changed and (found := self.changed(moaned + said)) != self.changes:
            raise RuntimeError(f"it changed {found} things, and not {self.changes}")
        series.seconds.append(round(seconds, 3))
        series.cpu.append(round(used.ru_utime + used.ru_stime, 3))
        series.memory.append(round(used.ru_maxrss / 1024, 1))
        series.load.append(round(load, 1))
        if self.meter:
            series.nodes_cpu.append(round(paid, 3))
        for name, count in counted(said).items():
            series.counts[name] = min(count, series.counts.get(name, count))
        return said

    def once(self) -> str:
        """Run it, whatever it changes, and measure nothing."""
        return replace(self, changed=None).into(Series(""))


def counted(said: str) -> dict[str, int]:
    """Return the counts in what a command of picluster said."""
    document = told(said)
    return {name: document[name] for name in COUNTS if name in document}


def changed(said: str) -> int:
    """Return how many steps changed something, by what a command of picluster said."""
    document = told(said)
    if "changed" in document:
        return int(document["changed"])
    return sum(tally["changed"] for tally in document["tallies"])


def told(said: str) -> dict[str, Any]:
    """Return the JSON document, or the last of the JSON lines, of a command; {} if it has none."""
    for text in (said, said.rstrip().rpartition("\n")[2]):
        with suppress(ValueError):
            document = json.loads(text)
            if isinstance(document, dict):
                return document
    return {}


def measure(title: str, works: Mapping[str, Work], rounds: int) -> list[Series]:
    """Do each thing once a round, side by side: what the machine does else falls on all alike.

    What fails is noted as missing, and the others go on.
    """
    all_series = {name: Series(name) for name in works}
    for round_ in range(rounds):
        for name, work in works.items():
            series = all_series[name]
            if series.note or round_ >= work.most:
                continue
            try:
                work.into(series)
            except RuntimeError as error:
                series = all_series[name] = Series(name, " ".join(str(error).split())[-300:])
            taken = f"{series.seconds[-1]:.2f} s" if series.seconds else series.note
            print(f"  {title}, {round_ + 1}: {name}: {taken}", file=sys.stderr, flush=True)
    return list(all_series.values())


def as_record(series: Series) -> dict[str, object]:
    return asdict(series)


def run(command: Sequence[str]) -> str:
    """Run a command that has to succeed, and return what it says."""
    return Work(tuple(command)).once()
