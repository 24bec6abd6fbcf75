"""How a machine fares: temperature, throttling, memory, disk, load. Read-only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe, shown
from picluster.engine.shell import shell
from picluster.errors import Unreadable

_HEXADECIMAL = re.compile(r"(0x)?[0-9a-fA-F]{1,16}")
_KIB = 1024
_MILLI = 1000
# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
THROTTLED = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "too hot",
    16: "under-voltage since boot",
    17: "frequency capped since boot",
    18: "throttled since boot",
    19: "too hot since boot",
}
"""What the bits of `vcgencmd get_throttled` say."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Sizes are in bytes, the temperature in degrees Celsius, the uptime in seconds.

    What a machine does not tell is None, or empty. `throttling` is in words.
    """

    uptime: int | None = None
    load: float | None = None
    memory: int | None = None
    memory_available: int | None = None
    disk: int | None = None
    disk_free: int | None = None
    temperature: float | None = None
    throttling: tuple[str, ...] = ()
    model: str = ""


def read_vitals(seen: Observation) -> Vitals:
    """Read what the probe printed."""
    milli = _number(seen, "temperature")
    return Vitals(
        uptime=_number(seen, "uptime"),
        load=seen.decimal("load") if seen.text("load", "") else None,
        memory=_bytes(seen, "memory"),
        memory_available=_bytes(seen, "available"),
        disk=_bytes(seen, "disk"),
        disk_free=_bytes(seen, "free"),
        temperature=None if milli is None else milli / _MILLI,
        throttling=throttling(seen.text("throttled", "")),
        model=seen.text("model", ""),
    )


VITALS = ShellProbe("vitals", shell(__package__, "vitals"), read_vitals)


def throttling(text: str) -> tuple[str, ...]:
    """Return what the firmware's hexadecimal number says in words; empty if all is well."""
    if text and not _HEXADECIMAL.fullmatch(text):
        raise Unreadable(f"`throttled` is not a hexadecimal number: {shown(text)}")
    bits = int(text or "0", 16)
    return tuple(word for bit, word in THROTTLED.items() if bits >> bit & 1)


def _number(seen: Observation, key: str) -> int | None:
    return seen.number(key) if seen.text(key, "") else None


def _bytes(seen: Observation, key: str) -> int | None:
    number = _number(seen, key)
    return None if number is None else number * _KIB
