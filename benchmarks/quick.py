"""`make bench-quick`: three nodes, nothing to do, compared with the committed figures.

Seconds of two machines say nothing about each other. Counts do, and so do ratios to the script over
ssh, run side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.measure import Series, Work, as_record, measure
from benchmarks.nodes import Nodes, booted

_ROUNDS = 3
_SLOWER = 1.3
_MORE = {
    "connections": 1.0,
    "scripts": 1.0,
    "bytes_sent": 1.1,
    "bytes_received": 1.1,
    "forks": 1.2,
}
"""How much more than the committed count is too much.

Bytes vary with what nodes say. Forks are those of a node while a script runs there, whoever makes
them.
"""

Works = Callable[[Nodes], dict[str, Work]]


def compare(home: Path, small: Callable[[Nodes, Path], dict[str, Work]], commands: Works) -> int:
    """Measure, and print what differs. Returns 1 if something is dearer than committed, else 0."""
    committed = page.read().get(page.THREE)
    if committed is None:
        print("nothing is committed to compare with: run `make bench` first")
        return 1
    with booted(3, home) as nodes:
        nodes.picluster("up").once()
        works = small(nodes, home) | commands(nodes)
        works[page.SAME_WORK].once()
        found = measure("quick", works, _ROUNDS)
    dearer = list(differences(committed["rows"], found))
    print("\n".join(dearer) or "as cheap as the committed figures")
    return 1 if dearer else 0


def differences(committed: list[dict[str, Any]], found: list[Series]) -> Iterator[str]:
    """Yield what is dearer now, by count or by ratio to the first line."""
    known = {row["name"]: row for row in committed if row["seconds"]}
    rows = [as_record(series) for series in found]
    for row in rows:
        name = str(row["name"])
        if name not in known:
            continue
        if not row["seconds"]:
            yield f"{name}: {row['note']}"
            continue
        then, now = (
            page.median(each) / page.median(base)
            for each, base in ((known[name], known[page.BY_HAND]), (row, rows[0]))
        )
        if now > then * _SLOWER:
            yield f"{name}: {now:.2f} times the script over ssh, and {then:.2f} were committed"
        counts: Any = row["counts"]
        for count, before in known[name]["counts"].items():
            if counts.get(count, 0) > before * _MORE[count]:
                yield f"{name}: {counts[count]} {count}, and {before} were committed"
