"""Swap: what is on now, and what would turn some on at boot."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.facts.units import UNITS


@dataclass(frozen=True, slots=True)
class Swap:
    """The devices and files that are on, the programs that provide swap, and enabled swap units."""

    active: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def off(self) -> bool:
        """Whether there is none, now and at boot."""
        return not (self.active or self.providers or self.units)


def _parse(seen: Observation) -> Swap:
    return Swap(seen.every("on"), seen.every("provider"), seen.every("unit"))


SWAP = ShellProbe("swap", UNITS + shell(__package__, "swap"), _parse)
