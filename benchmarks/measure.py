"""Timing commands, and a table of what came out."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Series:
    """How long one thing took, each time; `notes` tell what it did. Without times: missing."""

    name: str
    notes: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that has to succeed: the time of a failure would mean nothing."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} failed:\n{done.stdout}{done.stderr}"[-3000:])
    return done


def timed(series: Series, action: Callable[[], str]) -> None:
    """Do it once, and note the time and what it says of itself."""
    began = time.perf_counter()
    note = action()
    series.seconds.append(time.perf_counter() - began)
    if note not in series.notes:
        series.notes.append(note)
    print(f"  {series.name}: {series.seconds[-1]:.2f} s", file=sys.stderr, flush=True)


def table(title: str, all_series: Sequence[Series]) -> str:
    """Return a Markdown table: medians, ranges, and ratios to the first line."""
    measured = [series for series in all_series if series.seconds]
    base = measured[0].median if measured else 1.0
    lines = [
        f"### {title}",
        "",
        "| | median | range | ratio | runs | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for series in all_series:
        note = "; ".join(filter(None, series.notes))
        if not series.seconds:
            lines.append(f"| {series.name} | missing | | | 0 | {note} |")
            continue
        spread = f"{min(series.seconds):.2f}-{max(series.seconds):.2f} s"
        lines.append(
            f"| {series.name} | {series.median:.2f} s | {spread} | {series.median / base:.1f} | "
            f"{len(series.seconds)} | {note} |"
        )
    return "\n".join([*lines, ""])
