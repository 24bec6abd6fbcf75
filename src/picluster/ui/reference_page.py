"""docs/configuration.md, made from the model: `python -m picluster.ui.reference_page FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from picluster.model import FieldDoc, fields
from picluster.ui.explain_view import shown_default

_HEAD = """\
# The cluster file

Every field, as `picluster explain FIELD` and your editor (`picluster schema`) know it too. This
page is made from the model by `make docs`; a test keeps it current.
[The large example](../examples/cluster.yaml) shows all of it in one file.

Only `name` and `nodes` are required. Times are written as seconds or as `30s`, `5m`, `2h`. A secret
is never written here, only where it is: `env:NAME`, `file:PATH` or `prompt`. Paths start from the
file's directory.
"""


def page(known: Sequence[FieldDoc]) -> str:
    """Return the page: single fields first, then a chapter for each section."""
    single = [field for field in known if "." not in field.path and not field.is_section]
    parts = [_HEAD, _table(single)]
    for section in known:
        if section.is_section:
            title = section.path
            inside = [
                field
                for field in known
                if not field.is_section
                and field.path.rpartition(".")[0].removesuffix("[]") == title
            ]
            parts.append(f"## `{title}`\n\n{section.description}\n")
            if inside:
                parts.append(_table(inside))
    return "\n".join(parts)


def _table(rows: Iterable[FieldDoc]) -> str:
    lines = ["| field | default | |", "|---|---|---|"]
    for field in rows:
        default = "**required**" if field.required else _code(shown_default(field))
        lines.append(f"| `{field.name}` | {default} | {_cell(field.description)} |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(fields()))
