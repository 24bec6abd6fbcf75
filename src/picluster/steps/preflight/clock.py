"""Does a node's clock agree with the others', and with this computer's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.step import Blocked, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.facts.clock import CLOCK, HERE, ClockAhead, Unread

_WARN_SECONDS = 2.0
_MOST_SECONDS = 30.0
"""Between nodes: etcd and certificates want them to agree."""
_MOST_FROM_HERE_SECONDS = 300.0
"""From this computer, whose own clock may be the one that is wrong."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The node's clock agrees with the others': certificates of the future are refused."""

    name: str = CLOCK.name
    title: str = "a clock that agrees"

    def probe(self) -> ShellProbe[ClockAhead | Unread]:
        return CLOCK

    def decide(self, look: Look) -> Decision:
        """Compare with most of the nodes, and take this computer for a witness."""
        own = look.read(CLOCK)
        readings = [each for each in look.every(CLOCK).values() if isinstance(each, ClockAhead)]
        if not isinstance(own, ClockAhead):
            return Satisfied(warning="its clock could not be read")
        trusted = [each for each in readings if each.synchronised]
        return judge(own, _median(trusted or readings), is_sure=bool(trusted))


def judge(own: ClockAhead, most: ClockAhead, *, is_sure: bool) -> Decision:
    """Judge a clock by the one that most nodes have, which the network set if that `is_sure`."""
    skew, off = own.ahead_of(most), own.ahead_of(HERE)
    if abs(skew) > _MOST_SECONDS:
        if abs(off) <= _MOST_SECONDS and not is_sure:
            return Satisfied(detail="it agrees with this computer's; the other nodes' do not")
        return Blocked(f"its clock is {_apart(skew)} the other nodes'", _SET_IT)
    if abs(off) > _MOST_FROM_HERE_SECONDS and not is_sure:
        return Blocked(f"its clock is {_apart(off)} this computer's", f"{_SET_IT}; or set this one")
    if abs(off) > _MOST_SECONDS:
        set_there = ", which are set from the network" if is_sure else ""
        return Satisfied(warning=f"this computer's clock is {_apart(-off)} the nodes'{set_there}")
    if abs(skew) > _WARN_SECONDS and not own.synchronised:
        return Satisfied(warning=f"its clock is {_apart(skew)} the other nodes'")
    return Satisfied()


_SET_IT = "`timedatectl` on it says whether time synchronisation works; set it once with `date -s`"


def _median(readings: Sequence[ClockAhead]) -> ClockAhead:
    ordered = sorted(readings, key=lambda each: each.middle)
    return ordered[len(ordered) // 2]


def _apart(seconds: float) -> str:
    return f"{_span(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _span(seconds: float) -> str:
    """Say how long: 1.7 billion seconds say less than 55 years."""
    for unit, name in ((31_557_600, "years"), (86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
