"""Files on this computer that the cluster file points to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

from picluster.model.refusal import refuse
from picluster.model.section import reading_of


def resolve(path: Path, base: Path | None) -> Path:
    """Expand `~`, and let a relative path start from `base`.

    Raises a refusal for the home directory of an unknown user.
    """
    try:
        expanded = path.expanduser()
    except RuntimeError:
        raise refuse("is in a home directory that cannot be found", "write the path out") from None
    return base / expanded if base else expanded


def _printable(value: object) -> object:
    if isinstance(value, str) and (not value or not value.isprintable()):
        raise refuse("is not a path", "write the path of a file or directory")
    return value


def _resolved(value: Path, info: ValidationInfo) -> Path:
    return resolve(value, reading_of(info).base)


LocalPath = Annotated[
    Path,
    BeforeValidator(_printable),
    AfterValidator(_resolved),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""A path on this computer; relative ones start from the directory of the cluster file."""
