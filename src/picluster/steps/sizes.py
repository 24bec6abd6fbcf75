"""Sizes as people read them."""

from __future__ import annotations

import re

_THOUSAND = 1000
_NUMBER = re.compile("[0-9]{1,18}")


def size_text(number: float) -> str:
    """Return a number of bytes as people read it: `812 bytes`, `3.4 MB`."""
    if number < _THOUSAND:
        return f"{number:.0f} bytes"
    for unit in ("kB", "MB"):
        number /= _THOUSAND
        if number < _THOUSAND:
            return f"{number:.1f} {unit}"
    return f"{number / _THOUSAND:.1f} GB"


def told_size(told: str, unit: int = 1) -> str | None:
    """Return the size that a node told, in units of so many bytes; None for what is no number."""
    return size_text(int(told) * unit) if _NUMBER.fullmatch(told) else None
