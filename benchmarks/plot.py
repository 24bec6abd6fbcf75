"""The figures as one SVG: bars for seven nodes, lines for the growth over light nodes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from html import escape
from typing import Any

_WIDTH, _LEFT, _ROW, _LINES = 760, 300, 24, 240
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e")
_STYLE = "text{font:13px sans-serif;fill:#222}.t{font-weight:bold}"


def plot(figures: dict[str, Any]) -> str:
    """Return the SVG. Sections that were not measured are left out."""
    parts: list[str] = []
    top = 10
    for title, section in figures.items():
        if title.startswith("Nothing to do on 7"):
            rows = [row for row in section["rows"] if row["seconds"]]
            parts += _bars(title, rows, top)
            top += _ROW * (len(rows) + 2)
    sizes = {
        int(title.split()[0]): section
        for title, section in figures.items()
        if title.endswith("light nodes")
    }
    if len(sizes) > 1:
        parts += _growth(dict(sorted(sizes.items())), top)
        top += _LINES + 80
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top}">\n'
        f'<style>{_STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}"{more}>{escape(text)}</text>'


def _bars(title: str, rows: list[dict[str, Any]], top: int) -> Iterator[str]:
    yield _text(10, top + 14, f"{title}: seconds, median and range", ' class="t"')
    scale = (_WIDTH - _LEFT - 70) / max((max(row["seconds"]) for row in rows), default=1.0)
    for number, row in enumerate(rows):
        y = top + _ROW * (number + 1)
        middle = statistics.median(row["seconds"])
        least, most = min(row["seconds"]) * scale, max(row["seconds"]) * scale
        colour = _COLOURS[0] if "picluster" in row["name"] else "#999"
        yield _text(_LEFT - 8, y + 14, row["name"].replace("`", ""), ' text-anchor="end"')
        yield (
            f'<rect x="{_LEFT}" y="{y + 2}" width="{middle * scale:.1f}" height="{_ROW - 8}" '
            f'fill="{colour}"/>'
        )
        yield (
            f'<path d="M{_LEFT + least:.1f} {y + 10}H{_LEFT + most:.1f}" stroke="#222" '
            f'stroke-width="2"/>'
        )
        yield _text(_LEFT + most + 6, y + 14, f"{middle:.2f}")


def _growth(sizes: dict[int, Any], top: int) -> Iterator[str]:
    yield _text(10, top + 14, "Growth over light nodes: seconds", ' class="t"')
    curves: dict[str, list[tuple[int, float]]] = {}
    for size, section in sizes.items():
        for row in section["rows"]:
            if row["seconds"]:
                point = (size, statistics.median(row["seconds"]))
                curves.setdefault(row["name"], []).append(point)
    highest = max((seconds for curve in curves.values() for _, seconds in curve), default=1.0)
    bottom, widest = top + _LINES + 30, max(sizes)

    def at(size: int, seconds: float) -> tuple[float, float]:
        return 60 + (_WIDTH - 330) * size / widest, bottom - _LINES * seconds / highest

    yield f'<path d="M60 {top + 30}V{bottom}H{_WIDTH - 260}" fill="none" stroke="#222"/>'
    yield _text(10, top + 40, f"{highest:.1f}")
    for size in sizes:
        yield _text(at(size, 0)[0] - 8, bottom + 18, str(size))
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*at(*point)) for point in curve)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        label = _text(_WIDTH - 245, top + 44 + 20 * number, name.replace("`", ""))
        yield label.replace("<text", f'<text style="fill:{colour}"')
