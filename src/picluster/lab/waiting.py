"""Waiting on this computer for something that becomes true by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

_POLL = 0.1


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again, at most `seconds`; return whether it became true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True
