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
FLOOR = "floor: Fabric, `true` on each node"
IMPORTS = "what `up` imports, alone"
SEVEN = "Nothing to do on 7 nodes"
THREE = "Nothing to do on 3 nodes"

_WORDS = {
    "connections": "connections",
    "scripts": "scripts",
    "forks": "processes",
    "bytes_sent": "bytes sent",
    "bytes_received": "bytes received",
}
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


def record(title: str, all_series: Sequence[Series], nodes: int = 1) -> None:
    """Put a section in the place of the one of that title, and make page and plot anew."""
    figures = read()
    figures[title] = {
        "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(),
        "nodes": nodes,
        "cores": os.cpu_count(),
        "rows": [as_record(series) for series in all_series],
    }
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    write(figures)


def write(figures: dict[str, Any]) -> None:
    """Make page and plot of figures."""
    verdict = must_hold(figures[SEVEN]) if SEVEN in figures else ""
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
        "| | median | range | ratio | n | CPU here | CPU a node | memory | load | a node |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        *(_line(row, base, section["nodes"]) for row in rows),
    ]
    return "\n".join([*lines, ""])


def _line(row: dict[str, Any], base: float, nodes: int) -> str:
    if not row["seconds"]:
        return f"| {row['name']} | missing | | | 0 | | | | | {row['note'].replace('|', '/')} |"
    counts = (f"{_short(count / nodes)} {_WORDS[name]}" for name, count in row["counts"].items())
    paid = f"{_middle(row, 'nodes_cpu') / nodes:.3f} s" if row["nodes_cpu"] else ""
    cells = (
        row["name"],
        f"{median(row):.2f} s",
        f"{min(row['seconds']):.2f}-{max(row['seconds']):.2f} s",
        f"{median(row) / base:.2f}",
        str(len(row["seconds"])),
        f"{_middle(row, 'cpu'):.2f} s",
        paid,
        f"{max(row['memory']):.0f} MB",
        f"{min(row['load']):.1f}-{max(row['load']):.1f}",
        ", ".join(counts),
    )
    return f"| {' | '.join(cells)} |"


def _short(count: float) -> str:
    """Return a count with a decimal only where that tells something."""
    return f"{count:,.0f}" if count >= 100 or count == int(count) else f"{count:.1f}"


def _middle(row: dict[str, Any], figure: str) -> float:
    return float(statistics.median(row[figure] or [0.0]))


def median(row: dict[str, Any]) -> float:
    """Return the median of a row's seconds."""
    return float(statistics.median(row["seconds"]))


def must_hold(section: dict[str, Any]) -> str:
    """Return what picluster promises of its speed on seven nodes, and what this run says to it."""
    rows = {row["name"]: row for row in section["rows"] if row["seconds"]}
    pyinfra = next((name for name in rows if name.startswith("pyinfra")), "")
    ansible = next((name for name in rows if "pipelining" in name), "")
    limits = [
        ("the rivals' work, to the script over ssh", SAME_WORK, BY_HAND, "at most", 1.2),
        ("`phase prepare`, to the script over ssh", PREPARE, BY_HAND, "at most", 1.6),
        ("`phase prepare`, to pyinfra's smaller work", PREPARE, pyinfra, "at most", 1.0),
        ("`up`, to the script over ssh", UP, BY_HAND, "at most", 2.2),
        ("Ansible, to the rivals' work", ansible, SAME_WORK, "at least", 18.0),
        ("pyinfra, to the rivals' work", pyinfra, SAME_WORK, "at least", 2.8),
    ]
    lines = [
        "## What must hold on seven nodes",
        "",
        "| | wanted | found | |",
        "|---|---:|---:|---|",
    ]
    missed = []
    for what, name, other, word, limit in limits:
        if name not in rows or other not in rows:
            lines.append(f"| {what} | {word} {limit:g} | | not measured |")
            continue
        ratio = median(rows[name]) / median(rows[other])
        holds = ratio <= limit if word == "at most" else ratio >= limit
        verdict = "holds" if holds else "**does not hold**"
        lines.append(f"| {what} | {word} {limit:g} | {ratio:.2f} | {verdict} |")
        if not holds:
            missed.append(name if word == "at most" else other)
    return "\n".join([*lines, "", *_profile(rows, list(dict.fromkeys(missed)), section["cores"])])


def _profile(rows: dict[str, dict[str, Any]], missed: Sequence[str], cores: int) -> list[str]:
    """Return where the time of what misses its bound goes, beside the script over ssh."""
    shown = [name for name in (BY_HAND, FLOOR, IMPORTS, *missed) if name in rows]
    if not missed or BY_HAND not in rows:
        return []
    lines = [
        "Where that time goes. CPU here is the workstation's: imports, handshakes and the rest.",
        f"That of all nodes has their logins in it. The same {cores} cores pay both: busy all the",
        "time, they would take what the fourth column says.",
        "",
        "| | median | CPU here | CPU of all nodes | with all cores busy | cores busy |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in shown:
        here, there = _middle(rows[name], "cpu"), _middle(rows[name], "nodes_cpu")
        least = (here + there) / cores
        busy = f"{100 * least / median(rows[name]):.0f} %"
        cells = (f"{median(rows[name]):.2f} s", f"{here:.2f} s", f"{there:.2f} s", f"{least:.2f} s")
        lines.append(f"| {' | '.join((name, *cells, busy))} |")
    lines.append("")
    base = rows[BY_HAND]
    for name in missed:
        row = rows[name]
        here = _middle(row, "cpu") - _middle(base, "cpu")
        there = _middle(row, "nodes_cpu") - _middle(base, "nodes_cpu")
        imports = _middle(rows[IMPORTS], "cpu") if IMPORTS in rows else 0.0
        lines.append(
            f"- {name} takes {median(row) - median(base):.2f} s more than the script: "
            f"{here:.2f} s of CPU here more (what `up` imports is {imports:.2f} s), "
            f"{there:.2f} s on the nodes."
        )
    return [*lines, ""]
