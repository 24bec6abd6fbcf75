"""How fast time passes for the stand-in; a test of it on this machine may be in a hurry."""

from __future__ import annotations

import os

_HASTE = float(os.environ.get("STANDIN_HASTE", "1"))


def paced(seconds: float) -> float:
    """Return how long to take for what takes so many seconds at its own pace."""
    return seconds / _HASTE
