"""Sizes as people read them."""

from __future__ import annotations

_THOUSAND = 1000


def size_text(number: float) -> str:
    """Return a number of bytes as people read it: `812 bytes`, `3.4 MB`."""
    if number < _THOUSAND:
        return f"{number:.0f} bytes"
    for unit in ("kB", "MB"):
        number /= _THOUSAND
        if number < _THOUSAND:
            return f"{number:.1f} {unit}"
    return f"{number / _THOUSAND:.1f} GB"
