"""Where the traceback of a bug of ours is kept: with the run that met it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from picluster.paths import state_home

directory: Path | None = None
"""The journal of the run under way; set when it begins."""


def keep(details: str) -> Path | None:
    """Store the text, for its owner only; return where, or None if it cannot be stored."""
    with suppress(OSError):
        place = directory or state_home() / "crashes"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = place / f"crash-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}.txt"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(details)
        return path
    return None
