"""Lengths of time: whole seconds, or hours, minutes and seconds such as `1h30m`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from picluster.model.refusal import refuse

LONGEST = 30 * 24 * 3600
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_FORM = re.compile(r"(?=.)" + "".join(rf"(?:([0-9]{{1,7}}){unit})?" for unit in _UNITS))
_SECONDS = re.compile(r"[0-9]{1,7}")


def seconds(value: object) -> int:
    """Return a length of time in seconds; 1 second to 30 days.

    Raises a refusal for anything that is neither whole seconds nor of the form `1h30m`.
    """
    length = _read(value)
    if length is None:
        raise refuse(
            "is not a length of time", "write whole seconds (90) or units (90s, 5m, 1h30m, 1d)"
        )
    if not 1 <= length <= LONGEST:
        raise refuse("is out of range", "write a time between 1 second and 30 days")
    return length


def _read(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    if _SECONDS.fullmatch(value):
        return int(value)
    match = _FORM.fullmatch(value)
    if match is None:
        return None
    return sum(
        int(count) * unit
        for count, unit in zip(match.groups(), _UNITS.values(), strict=True)
        if count
    )


def in_words(length: int) -> str:
    """Return seconds in the form that the cluster file uses, such as `1h30m`."""
    parts = []
    for name, unit in _UNITS.items():
        count, length = divmod(length, unit)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


Duration = Annotated[
    int,
    BeforeValidator(seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": LONGEST},
                {"type": "string", "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s?)?$"},
            ]
        }
    ),
]
"""Seconds, as an int."""
