"""What probes send as base64, so that no line end or odd byte of a file is lost; and sizes."""

from __future__ import annotations

import base64
import binascii

_THOUSAND = 1000


def decoded(encoded: str) -> str:
    """Return the text; bytes that are not UTF-8 are replaced, and what is no base64 is empty."""
    try:
        return base64.b64decode(encoded).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def size_text(number: float) -> str:
    """Return a number of bytes as people read it: `812 bytes`, `3.4 MB`."""
    if number < _THOUSAND:
        return f"{number:.0f} bytes"
    for unit in ("kB", "MB"):
        number /= _THOUSAND
        if number < _THOUSAND:
            return f"{number:.1f} {unit}"
    return f"{number / _THOUSAND:.1f} GB"
