"""Every field of the model, by the path that users know it by."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic_core import PydanticUndefined

from picluster.model.cluster import Cluster
from picluster.model.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class FieldDoc:
    """One field: where it stands (`nodes[].ssh.user`), what it means, what it is by default.

    `section` is the model it belongs to; `is_section` tells fields that only hold other fields.
    """

    path: str
    section: type[Section]
    name: str
    description: str
    required: bool
    default: Any
    is_section: bool


@cache
def fields() -> tuple[FieldDoc, ...]:
    """Return every field of the cluster file, sections before what they hold."""
    return tuple(_walk(Cluster, ""))


def home_of(name: str) -> str | None:
    """Return where a key belongs that was found in the wrong section, if it is known at all."""
    homes = [field.path for field in fields() if field.name == name]
    return homes[0] if homes else None


def section_at(loc: Sequence[str | int]) -> type[Section] | None:
    """Return the section that a location in the file belongs to, or None in a free mapping."""
    section: type[Section] = Cluster
    for step in loc:
        if isinstance(step, int):
            continue
        field = section.model_fields.get(step)
        inner = section_of(field) if field else None
        if inner is None:
            return None
        section = inner
    return section


def section_of(field: FieldInfo) -> type[Section] | None:
    """Return the section that a field holds one or more of, or None for plain values."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None


def described(section: type[Section]) -> Mapping[str, str]:
    """Return what the fields of a section mean: the text below each, which Python does not keep.

    pydantic's `use_attribute_docstrings` reads it too, but at the start of every command.
    """
    found: dict[str, str] = {}
    for each in reversed(section.__mro__[: section.__mro__.index(Section)]):
        (parsed,) = ast.parse(inspect.getsource(each)).body
        for pair in pairwise(ast.iter_child_nodes(parsed)):
            match pair:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(words))):
                    found[name] = " ".join(words.split())
    return found


def _walk(section: type[Section], prefix: str) -> Iterator[FieldDoc]:
    texts = described(section)
    for name, field in section.model_fields.items():
        inner = section_of(field)
        default = field.get_default(call_default_factory=False)
        yield FieldDoc(
            path=f"{prefix}{name}",
            section=section,
            name=name,
            description=field.description or texts.get(name, ""),
            required=field.is_required(),
            default=None if default is PydanticUndefined else default,
            is_section=inner is not None,
        )
        if inner is not None:
            many = "[]" if get_origin(field.annotation) is tuple else ""
            yield from _walk(inner, f"{prefix}{name}{many}.")
