"""Many threads at one moment: what they share shows whether it can be shared."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

THREADS = 32
_SWITCH_SECONDS = 1e-6


def race(work: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """Call `work` with 0, 1, ... in a thread each, all at once; return what each call returned.

    Threads are switched as often as Python can. Raises what any of them raised.
    """
    ready = threading.Barrier(threads)

    def run(number: int) -> T:
        ready.wait()
        return work(number)

    with _restless(), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


@contextmanager
def _restless() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
