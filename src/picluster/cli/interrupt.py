"""Ctrl-C once: finish the running step and stop with a recap. Twice: stop now."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTED = 130
_PATIENCE_SECONDS = 5.0


@contextmanager
def asking_to_stop(stop: threading.Event, abort: Callable[[], None]) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `stop`, and a second one into the end."""

    def asked() -> None:
        if stop.is_set():
            _end(abort)
        stop.set()
        _say("stopping after the running steps; once more to stop now")

    with _handling(asked):
        yield


@contextmanager
def ending_at_once(abort: Callable[[], None]) -> Iterator[None]:
    """Have SIGINT and SIGTERM end a command that changes nothing, without further ado."""
    with _handling(lambda: _end(abort)):
        yield


@contextmanager
def _handling(act: Callable[[], None]) -> Iterator[None]:
    def handler(number: int, frame: FrameType | None) -> None:
        act()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _end(abort: Callable[[], None]) -> None:
    # Threads that wait for the network cannot be told to stop, and Python waits for them at exit:
    # a connection attempt may take most of a minute. Files are only ever replaced as a whole, so
    # leaving without further ado does no harm.
    timer = threading.Timer(_PATIENCE_SECONDS, os._exit, (_INTERRUPTED,))
    timer.daemon = True
    timer.start()
    # Closing a connection takes its lock, which the interrupted thread may hold.
    threading.Thread(target=abort, daemon=True).start()
    raise KeyboardInterrupt


def _say(text: str) -> None:
    """Write to stderr directly: `print` must not be entered again from a signal handler."""
    os.write(2, f"{text}\n".encode())
