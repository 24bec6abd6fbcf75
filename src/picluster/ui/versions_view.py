"""Releases as a table: asked for, running, known, published, and the way between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from picluster.model.releases import KNOWN, reasons
from picluster.queries.versions import VersionRow
from picluster.ui.words import safe

_NONE = "-"


def as_text(rows: Sequence[VersionRow], published: Mapping[str, str]) -> str:
    """Return the table; `published` is what was found on the internet, nothing if nobody looked."""
    head = ["", "in the file", "running", f"known on {KNOWN.checked}"]
    table = [[*head, "published"] if published else head]
    for row in rows:
        cells = [row.title, row.wanted or _NONE, ", ".join(row.running) or _NONE, row.known]
        table.append([*cells, published.get(row.key, "?")] if published else cells)
    table = [[" ".join(safe(cell).split()) for cell in line] for line in table]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    return "\n".join([*lines, *_between(rows)]) + "\n"


def _between(rows: Sequence[VersionRow]) -> Iterator[str]:
    for row in rows:
        if not row.way:
            continue
        yield ""
        yield f"{row.title} from {row.running[0]} to {row.known}: {', '.join(row.way)}"
        yield from (f"  {why}" for why in reasons(row.running[0], row.known))
        yield f"  picluster upgrade --to {row.way[-1]} --dry-run"
