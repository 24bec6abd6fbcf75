"""What a field of the cluster file means, in the model's own words."""

from __future__ import annotations

from collections.abc import Sequence

from picluster.model import FieldDoc


def as_text(field: FieldDoc, inside: Sequence[FieldDoc]) -> str:
    """Return a field's meaning and default, and for a section the fields in it."""
    lines = [f"{field.path}{_nature(field)}", f"  {field.description}"]
    return "\n".join([*lines, *([""] if inside else []), *_table(inside)]) + "\n"


def overview(fields: Sequence[FieldDoc]) -> str:
    """Return one line for each field."""
    return "\n".join(_table(fields)) + "\n"


def _table(fields: Sequence[FieldDoc]) -> list[str]:
    width = max((len(field.path) for field in fields), default=0)
    return [f"{field.path:<{width}}  {field.description}" for field in fields]


def _nature(field: FieldDoc) -> str:
    if field.required:
        return " (required)"
    default = shown_default(field)
    return f" (default: {default})" if default else ""


def shown_default(field: FieldDoc) -> str:
    """Return a field's default as one would write it; empty if it has none."""
    if field.is_section or field.default is None or field.default in ({}, (), ""):
        return ""
    return _shown(field.default)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    return str(value)
