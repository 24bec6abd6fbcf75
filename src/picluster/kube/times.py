"""Times as the API writes them."""

from __future__ import annotations

from datetime import datetime


def moment(text: object) -> float | None:
    """Read a time in seconds since 1970; None for what is no time."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
