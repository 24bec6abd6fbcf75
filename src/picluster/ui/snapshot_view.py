"""The snapshots of a cluster, as text and as a JSON document."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from picluster.steps.k3s.bundle import Bundle
from picluster.steps.k3s.snapshots import Snapshot
from picluster.steps.sizes import size_text
from picluster.ui.words import safe

FORMAT = 1


def as_text(here: Sequence[Bundle], there: Sequence[Snapshot]) -> str:
    """Return a line for each, the ones on this computer first."""
    rows = [(each.name, "here", each.size, each.origin.taken) for each in here]
    rows += [(each.name, each.server, each.size, each.taken) for each in there]
    if not rows:
        return "there are no snapshots; `picluster snapshot save` takes one\n"
    width = max(len(name) for name, *_ in rows)
    place = max(len(where) for _, where, *_ in rows)
    lines = [
        f"{name:<{width}}  {where:<{place}}  {size_text(size):>10}  {_when(taken)}"
        for name, where, size, taken in rows
    ]
    return safe("\n".join(lines)) + "\n"


def as_document(
    cluster: str, here: Sequence[Bundle], there: Sequence[Snapshot], notices: Sequence[str]
) -> dict[str, Any]:
    """Return them as plain data; docs/schemas/snapshots.json describes it."""
    return {
        "picluster": FORMAT,
        "cluster": cluster,
        "notices": list(notices),
        "here": [
            {
                "name": each.name,
                "directory": str(each.directory),
                "server": each.origin.server,
                "k3s": each.origin.k3s,
                "bytes": each.size,
                "taken": each.origin.taken,
            }
            for each in here
        ],
        "servers": [
            {"name": each.name, "server": each.server, "bytes": each.size, "taken": each.taken}
            for each in there
        ],
    }


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
