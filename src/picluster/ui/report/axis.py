"""Where things lie on the time axis of a report, in percent of its width. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.ui.words import duration

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_TICKS = 6
_NARROWEST = 0.4


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the axis: where it begins and how wide it is, in percent."""

    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Axis:
    """Time from nothing to `seconds`, which are at least one."""

    seconds: float

    def place(self, start: float, end: float) -> Stretch:
        """Return where a piece of time lies; the shortest is still wide enough to be seen."""
        left = min(max(start / self._whole * 100, 0.0), 100.0 - _NARROWEST)
        width = max((end - start) / self._whole * 100, _NARROWEST)
        return Stretch(round(left, 3), round(min(width, 100.0 - left), 3))

    def ticks(self) -> Sequence[tuple[float, str]]:
        """Return a few round times, each with its place."""
        step = next((each for each in _STEPS if self._whole / each <= _MOST_TICKS), _STEPS[-1])
        number = int(self._whole // step)
        return [
            (round(n * step / self._whole * 100, 3), "0" if n == 0 else _label(n * step))
            for n in range(number + 1)
        ]

    @property
    def _whole(self) -> float:
        return max(self.seconds, 1.0)


def _label(seconds: int) -> str:
    whole_minutes = seconds % 60 == 0 and seconds >= 60  # noqa: PLR2004 - a minute
    return f"{seconds // 60} min" if whole_minutes else duration(float(seconds)).replace(".0", "")
