"""docs/performance.md, .json and .svg: what was measured last, section by section."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Series, as_record
from benchmarks.plot import plot

DOCS = Path(__file__).resolve().parents[1] / "docs"
FIGURES = DOCS / "performance.json"
BY_HAND = "by hand: a script over parallel ssh"
SAME_WORK = "picluster's engine, the rivals' work"
PREPARE, UP = "`picluster phase prepare`", "`picluster up`"
SEVEN = "Nothing to do on 7 nodes"
THREE = "Nothing to do on 3 nodes"

_HEAD = """\
# How fast it is

Made by `make bench`; do not edit. What is measured and how:
[benchmarks](../benchmarks/README.md). The same figures for programs are in
[performance.json](performance.json); `make bench-quick` compares a tree with them.

Every line is a whole process, run side by side with the others of its table. Client and nodes share
the machine's cores, so seconds are this machine's, and ratios mean something only within a table.
K3s is [the stand-in](stand-in.md). **Nothing here was measured on a Raspberry Pi.**

![Nothing to do on seven nodes, and growth over light nodes](performance.svg)
"""


def read() -> dict[str, Any]:
    """Return the sections that were measured last: title to machine, moment and rows."""
    return dict(json.loads(FIGURES.read_text())) if FIGURES.exists() else {}


def record(title: str, all_series: Sequence[Series]) -> None:
    """Put a section in the place of the one of that title, and make page and plot anew."""
    figures = read()
    figures[title] = {
        "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(),
        "rows": [as_record(series) for series in all_series],
    }
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    write(figures)


def write(figures: dict[str, Any]) -> None:
    """Make page and plot of figures."""
    verdict = must_hold(figures[SEVEN]["rows"]) if SEVEN in figures else ""
    sections = (table(title, section) for title, section in figures.items())
    (DOCS / "performance.md").write_text("\n".join([_HEAD, verdict, *sections]).rstrip() + "\n")
    (DOCS / "performance.svg").write_text(plot(figures))


def table(title: str, section: dict[str, Any]) -> str:
    """Return a Markdown table: medians, ranges, ratios to the first line, loads, counts."""
    rows = section["rows"]
    base = next((median(row) for row in rows if row["seconds"]), 1.0)
    lines = [
        f"## {title}",
        "",
        f"{section['machine']}, Python {section['python']}, {section['measured']}.",
        "",
        "| | median | range | ratio | n | CPU | memory | load | |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
        *(_line(row, base) for row in rows),
    ]
    return "\n".join([*lines, ""])


def _line(row: dict[str, Any], base: float) -> str:
    if not row["seconds"]:
        return f"| {row['name']} | missing | | | 0 | | | | {row['note'].replace('|', '/')} |"
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in row["counts"].items())
    cells = (
        row["name"],
        f"{median(row):.2f} s",
        f"{min(row['seconds']):.2f}-{max(row['seconds']):.2f} s",
        f"{median(row) / base:.2f}",
        str(len(row["seconds"])),
        f"{statistics.median(row['cpu']):.2f} s",
        f"{max(row['memory']):.0f} MB",
        f"{min(row['load']):.1f}-{max(row['load']):.1f}",
        counts,
    )
    return f"| {' | '.join(cells)} |"


def median(row: dict[str, Any]) -> float:
    """Return the median of a row's seconds."""
    return float(statistics.median(row["seconds"]))


def must_hold(rows: Sequence[dict[str, Any]]) -> str:
    """Return what picluster promises of its speed on seven nodes, and what this run says to it."""
    known = {row["name"]: median(row) for row in rows if row["seconds"]}
    pyinfra = next((time for name, time in known.items() if name.startswith("pyinfra")), 0.0)
    ansible = next((time for name, time in known.items() if "pipelining" in name), 0.0)
    base, same = known.get(BY_HAND, 0.0), known.get(SAME_WORK, 0.0)
    most = [
        ("the rivals' work, to the script over ssh", same, base, 1.2),
        ("`phase prepare`, to the script over ssh", known.get(PREPARE, 0.0), base, 1.6),
        ("`phase prepare`, to pyinfra's smaller work", known.get(PREPARE, 0.0), pyinfra, 1.0),
        ("`up`, to the script over ssh", known.get(UP, 0.0), base, 2.2),
    ]
    least = [
        ("Ansible, to the rivals' work", ansible, same, 18.0),
        ("pyinfra, to the rivals' work", pyinfra, same, 2.8),
    ]
    lines = [
        "## What must hold on seven nodes",
        "",
        "| | wanted | found | |",
        "|---|---:|---:|---|",
    ]
    for limits, word in ((most, "at most"), (least, "at least")):
        for what, time_, other, limit in limits:
            if time_ and other:
                ratio = time_ / other
                holds = ratio <= limit if word == "at most" else ratio >= limit
                verdict = "holds" if holds else "**does not hold**"
                lines.append(f"| {what} | {word} {limit:g} | {ratio:.2f} | {verdict} |")
    return "\n".join([*lines, ""])
