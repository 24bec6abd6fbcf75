"""A test double for whoever follows an action: nothing is shown, and no time is lost."""

from __future__ import annotations


class ProgressDouble:
    """Records what was reported; time passes only by sleeping."""

    def __init__(self, stop_after: int = 10_000) -> None:
        self.states: list[str] = []
        self.followed: list[str] = []
        self.now = 0.0
        self._left = stop_after

    def report(self, state: str) -> None:
        self.states.append(state)

    def follow(self, line: str) -> None:
        self.followed.append(line)

    def sleep(self, seconds: float) -> None:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        self.now += seconds

    def clock(self) -> float:
        return self.now
