"""How a machine fares: temperature, throttling, memory, disk, load. Read-only."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Fact, Observation, Script

VITALS = "vitals"

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

_SCRIPT = """
echo "uptime=$(cut -d. -f1 /proc/uptime)"
echo "load=$(cut -d' ' -f1 /proc/loadavg)"
sed -n 's/^MemTotal: *\\([0-9]*\\) kB/memory=\\1/p
        s/^MemAvailable: *\\([0-9]*\\) kB/available=\\1/p' /proc/meminfo
df -Pk / | awk 'NR == 2 {print "disk=" $2; print "free=" $4}'
for zone in /sys/class/thermal/thermal_zone*; do
  [ -r "$zone/temp" ] || continue
  echo "temperature=$(cat "$zone/temp")"
  break
done
! command -v vcgencmd >/dev/null || vcgencmd get_throttled
[ ! -r /proc/device-tree/model ] || echo "model=$(tr -d '\\0' </proc/device-tree/model)"
"""


def vitals_fact() -> Fact:
    """Observe how the machine fares."""
    return Fact(VITALS, "how the machine fares is known", Script(_SCRIPT))


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
    """Read what the probe printed; a machine that was not asked tells nothing."""
    facts = seen.facts
    milli = _number(facts.get("temperature"))
    return Vitals(
        uptime=_number(facts.get("uptime")),
        load=_decimal(facts.get("load")),
        memory=_bytes(facts.get("memory")),
        memory_available=_bytes(facts.get("available")),
        disk=_bytes(facts.get("disk")),
        disk_free=_bytes(facts.get("free")),
        temperature=None if milli is None else milli / _MILLI,
        throttling=throttling(facts.get("throttled", "")),
        model=facts.get("model", ""),
    )


def throttling(text: str) -> tuple[str, ...]:
    """Return what the firmware's hexadecimal number says in words; empty if all is well."""
    try:
        bits = int(text, 16)
    except ValueError:
        return ()
    return tuple(word for bit, word in THROTTLED.items() if bits >> bit & 1)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.lstrip("-").isdigit() else None


def _bytes(kibibytes: str | None) -> int | None:
    number = _number(kibibytes)
    return None if number is None else number * _KIB


def _decimal(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
