"""Work that several threads want done and that is done once for them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Once(Generic[Key, Value]):
    """Values by key that are made at the first request, such as downloads and answers of the user.

    Whoever asks while a value is being made waits for it, and fares as its maker does. A failure is
    not kept: who asks later has it tried again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Key, Future[Value]] = {}

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of the key, made by `make` if there is none. Raises what `make` does."""
        with self._lock:
            future = self._made.get(key)
            ours = future is None
            if future is None:
                future = self._made[key] = Future()
        if ours:
            self._fulfil(key, future, make)
        return future.result()

    def made(self) -> list[Value]:
        """Return the values that there are."""
        with self._lock:
            futures = list(self._made.values())
        return [future.result() for future in futures if future.done() and not future.exception()]

    def _fulfil(self, key: Key, future: Future[Value], make: Callable[[], Value]) -> None:
        try:
            future.set_result(make())
        except BaseException as error:
            with self._lock:
                del self._made[key]
            future.set_exception(error)


class Together(Generic[Value]):
    """A reading that all share who ask while another one goes on.

    It begins after each of them asked, so nobody is told what was so before.
    """

    def __init__(self, read: Callable[[], Value]) -> None:
        self._read = read
        self._moments = itertools.count(1)
        self._reading = threading.Lock()
        self._last: tuple[int, Value] | None = None

    def get(self) -> Value:
        """Return what is read. Raises what reading does, to this caller alone."""
        asked = next(self._moments)
        with self._reading:
            if self._last is None or self._last[0] < asked:
                self._last = next(self._moments), self._read()
            return self._last[1]
