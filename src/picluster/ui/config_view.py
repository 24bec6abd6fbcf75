"""The resolved cluster file, each value with where it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from picluster.model import Setting

FORMAT = 1


def as_text(rows: Sequence[Setting]) -> str:
    """Return one line for each value: path, value, origin."""
    shown = [(row.path, json.dumps(row.value, ensure_ascii=False), row.origin) for row in rows]
    path_width = max(len(path) for path, _, _ in shown)
    value_width = max(min(len(value), 40) for _, value, _ in shown)
    return "".join(
        f"{path:<{path_width}}  {value:<{value_width}}  {origin}\n" for path, value, origin in shown
    )


def as_document(rows: Sequence[Setting]) -> dict[str, Any]:
    """Return the same as plain data; docs/schemas/config.json describes it."""
    return {
        "picluster": FORMAT,
        "values": [{"path": row.path, "value": row.value, "origin": row.origin} for row in rows],
    }
