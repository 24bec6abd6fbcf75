"""Log lines on standard error, in the style of K3s (logrus text format)."""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime
from typing import NoReturn

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_LOCK = threading.Lock()


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return stamp(time.time())


def stamp(moment: float) -> str:
    """Return a moment, in seconds since 1970, as Kubernetes writes it."""
    return datetime.fromtimestamp(moment, UTC).strftime(_TIME)


def seconds_of(stamped: str) -> float:
    """Return the moment, in seconds since 1970, that Kubernetes wrote so."""
    return datetime.strptime(stamped, _TIME).replace(tzinfo=UTC).timestamp()


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
