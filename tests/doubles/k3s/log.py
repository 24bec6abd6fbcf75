"""Log lines on standard error, in the style of K3s (logrus text format)."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from typing import NoReturn

_LOCK = threading.Lock()


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_exactly() -> str:
    """Return the time as Kubernetes writes it where it wants microseconds (`MicroTime`)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def log(level: str, message: str) -> None:
    """Write one line."""
    quoted = message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    with _LOCK:
        sys.stderr.write(f'time="{now()}" level={level} msg="{quoted}"\n')
        sys.stderr.flush()


def info(message: str) -> None:
    """Log at level info."""
    log("info", message)


def error(message: str) -> None:
    """Log at level error."""
    log("error", message)


class Fatal(Exception):
    """What K3s logs at level fatal before it exits with 1."""


def fatal(message: str) -> NoReturn:
    """End the process (from the main thread) with a fatal log line."""
    raise Fatal(message)
