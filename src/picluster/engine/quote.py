"""The one function through which every value reaches a shell."""

from __future__ import annotations

import shlex


def quote(value: object) -> str:
    """Return `value` as one word of a POSIX shell. Raises ValueError for a NUL, which none has."""
    text = str(value)
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to a shell")
    return shlex.quote(text)
