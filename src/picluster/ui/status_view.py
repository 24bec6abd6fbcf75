"""How a cluster is, as one screen of text and as a JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from picluster.queries.status import NodeStatus, PartStatus, Status
from picluster.ui.words import Marks, safe

FORMAT = 1
_GB = 10**9
_MANY_GB = 10
_COLUMNS = ("", "node", "role", "version", "temp", "load", "memory free", "disk free", "up")


def as_text(status: Status, marks: Marks) -> str:
    """Return a row for each node, what is not well below it, and one line in sum."""
    rows = [_row(node, marks) for node in status.nodes]
    widths = [max(len(row[at]) for row in [_COLUMNS, *rows]) for at in range(len(_COLUMNS))]
    lines = [_joined(_COLUMNS, widths)]
    for node, row in zip(status.nodes, rows, strict=True):
        lines.append(_joined(row, widths))
        lines += [f"    {marks.warning} {trouble}" for trouble in node.troubles]
    if status.parts:
        lines.append("")
        lines += [line for part in status.parts for line in _part_lines(part, marks)]
    lines += ["", _summary(status)]
    lines += [f"NOTE: {notice}" for notice in status.notices]
    return safe("\n".join(lines)) + "\n"


def as_document(status: Status) -> dict[str, Any]:
    """Return the same as plain data; docs/schemas/status.json describes it."""
    return {
        "picluster": FORMAT,
        "cluster": status.cluster,
        "healthy": status.healthy,
        "api": status.api,
        "registry": status.registry,
        "votes": asdict(status.votes) if status.votes else None,
        "notices": list(status.notices),
        "nodes": [_node(node) for node in status.nodes],
        "parts": [
            {"name": part.name, "url": part.url, "missing": list(part.missing)}
            for part in status.parts
        ],
    }


def _row(node: NodeStatus, marks: Marks) -> tuple[str, ...]:
    vitals, state = node.vitals, node.state
    heat = vitals.temperature if vitals else None
    load = vitals.load if vitals else None
    return (
        marks.ok if node.well else marks.failed,
        node.name,
        node.role or "unknown",
        state.version if state else "-",
        "-" if heat is None else f"{heat:.0f} °C",
        "-" if load is None else f"{load:.2f}",
        _part(vitals.memory_available, vitals.memory) if vitals else "-",
        _part(vitals.disk_free, vitals.disk) if vitals else "-",
        _uptime(vitals.uptime) if vitals and vitals.uptime is not None else "-",
    )


def _part_lines(part: PartStatus, marks: Marks) -> list[str]:
    mark = marks.failed if part.missing else marks.ok
    first = f"{mark}  {part.name}  {part.url}".rstrip()
    return [first, *(f"    {marks.warning} {missing}" for missing in part.missing)]


def _part(free: int | None, total: int | None) -> str:
    if free is None or not total:
        return "-"
    return f"{free / _GB:.{0 if free >= _MANY_GB * _GB else 1}f} GB, {free * 100 // total} %"


def _uptime(seconds: float) -> str:
    """Return the largest unit alone: how long exactly does not matter."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _joined(row: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _summary(status: Status) -> str:
    parts = [
        f"{status.cluster}: {'healthy' if status.healthy else 'NOT healthy'}",
        _readiness(status),
        *([status.votes.in_words] if status.votes else []),
        "the API answers" if status.api else "the API does not answer",
    ]
    if status.registry is not None:
        parts.append(f"the registry {'answers' if status.registry else 'does not answer'}")
    return ", ".join(parts)


def _readiness(status: Status) -> str:
    if all(node.ready is None for node in status.nodes):
        reached = sum(node.vitals is not None for node in status.nodes)
        return (
            f"{reached} of {len(status.nodes)} nodes can be reached, which are Ready is not known"
        )
    return f"{sum(node.ready is True for node in status.nodes)} of {len(status.nodes)} nodes Ready"


def _node(node: NodeStatus) -> dict[str, Any]:
    state, vitals = node.state, node.vitals
    return {
        "name": node.name,
        "role": node.role,
        "address": node.address,
        "reached": vitals is not None,
        "ready": node.ready,
        "version": state.version if state else "",
        "voter": state.voter if state else None,
        "cordoned": bool(state and state.unschedulable),
        "troubles": list(node.troubles),
        "model": vitals.model if vitals else "",
        "temperature": vitals.temperature if vitals else None,
        "load": vitals.load if vitals else None,
        "uptime": vitals.uptime if vitals else None,
        "memory": vitals.memory if vitals else None,
        "memory_available": vitals.memory_available if vitals else None,
        "disk": vitals.disk if vitals else None,
        "disk_free": vitals.disk_free if vitals else None,
    }
