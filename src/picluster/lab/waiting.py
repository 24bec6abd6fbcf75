"""Waiting on this computer: the engine's one way of waiting, for what has no node to be asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.errors import WaitFailed

_POLL = 0.1


def _unheard(_: str) -> None:
    """Nobody follows a wait that is over in a moment."""


@dataclass(frozen=True, slots=True)
class Aloud:
    """Tells a wait's states to whoever reads them. Implements `engine.step.Progress`."""

    tell: Callable[[str], None] = _unheard

    def report(self, state: str) -> None:
        """Tell a new state."""
        self.tell(state)

    def follow(self, line: str) -> None:
        """Tell a passing one, too."""
        self.tell(line)

    def sleep(self, seconds: float) -> None:
        """Wait; Ctrl-C ends it."""
        time.sleep(seconds)

    def clock(self) -> float:
        """Return the time in seconds, by a clock that only moves forward."""
        return time.monotonic()


def becomes(true: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again, at most `seconds`; return whether it became true."""
    try:
        wait_until("not yet", true, _judge, timeout=seconds, progress=Aloud(), interval=_POLL)
    except WaitFailed:
        return False
    return True


def _judge(true: bool) -> Verdict:
    return Done() if true else Waiting("not yet")
