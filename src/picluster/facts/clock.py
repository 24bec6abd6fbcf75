"""Whether a node's clock is set from the network, told without waking a service that would write.

`timedatectl` would do it in a word, but D-Bus starts systemd-timedated for it, which makes
directories of its own: looking is not to change anything.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.errors import Unreadable
from picluster.facts.units import SYNCHRONISED


@dataclass(frozen=True, slots=True)
class ClockAhead:
    """By how much a clock is ahead of this computer's, in seconds: at least and at most.

    It is read over a network, on a machine that may be busy: all that is known of the moment is
    that it lies between question and answer. So only what is beyond that is a difference.
    `synchronised` says that the clock is set from the network.
    """

    least: float
    most: float
    synchronised: bool = False

    @property
    def middle(self) -> float:
        """The likeliest difference."""
        return (self.least + self.most) / 2

    def ahead_of(self, other: ClockAhead) -> float:
        """By how many seconds it is certainly ahead of the other; below zero it is behind."""
        if self.least > other.most:
            return self.least - other.most
        return min(0.0, self.most - other.least)


HERE = ClockAhead(0.0, 0.0)
"""This computer's own clock."""


_NO_TIME_YET = 1_735_689_600.0
"""2025-01-01: no certificate of today is valid on such a node. The others can go on."""


@dataclass(frozen=True, slots=True)
class Unread:
    """The node did not tell its time."""


UNREAD = Unread()


def read_clock(seen: Observation) -> ClockAhead | Unread:
    """Read what the probe printed, between the question and the answer.

    Raises `Unreadable` for a clock that was never set.
    """
    if not seen.has("now"):
        return UNREAD
    now = seen.decimal("now")
    if now < _NO_TIME_YET:
        raise Unreadable(
            f"its clock says {time.strftime('%Y-%m-%d', time.gmtime(max(0.0, now)))}",
            why="a Pi has no battery for its clock, and no time server has told it the time yet",
            fix="`timedatectl timesync-status` on it says whom it asks; `date -s` sets it by hand",
        )
    return ClockAhead(now - seen.answered, now - seen.asked, seen.flag("synchronised"))


CLOCK: ShellProbe[ClockAhead | Unread] = ShellProbe(
    "clock", f'echo "now=$(date +%s.%N)"\n{SYNCHRONISED}', read_clock
)
