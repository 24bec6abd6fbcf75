"""The board: its power, heat, memory pages and boot order. Only reported: hands have to mend it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe, whole
from picluster.engine.shell import shell
from picluster.engine.survey import Look
from picluster.steps.doctor.finding import Check, Finding, not_applicable, ok, problem, warning
from picluster.steps.vitals import THROTTLED, throttling

_UNDER_VOLTAGE = "under-voltage corrupts cards and resets USB disks"
_POWER_FIX = (
    "use the board's own power supply and a short thick cable (a Pi 5 wants 5 A), or a PoE hat "
    "that is rated for the board and its disks"
)
_COOL_IT = "cool it: a fan, a heat sink, air in the case"


@dataclass(frozen=True, slots=True)
class PowerSeen:
    """The firmware's number, and what it says in words; whether the kernel's sensor gives alarm.

    The number is empty where the firmware's tool does not answer, `alarm` None without a sensor.
    """

    number: str = ""
    words: tuple[str, ...] = ()
    alarm: bool | None = None


def _power(seen: Observation) -> PowerSeen:
    number = seen.text("throttled", "")
    alarm = seen.number("alarm") if seen.has("alarm") else None
    return PowerSeen(number, throttling(number), None if alarm is None else alarm != 0)


# The file below /sys/devices/platform/soc is deprecated: the kernel complains when it is read.
_POWER = ShellProbe(
    "power",
    "! command -v vcgencmd >/dev/null || vcgencmd get_throttled 2>/dev/null\n"
    "for alarm in /sys/class/hwmon/*/in0_lcrit_alarm; do\n"
    '  { read -r kind <"${alarm%/*}/name"; } 2>/dev/null && [ "$kind" = rpi_volt ] || continue\n'
    '  { read -r on <"$alarm"; } 2>/dev/null && echo "alarm=$on"\n'
    "done; true",
    _power,
)


def _judge_power(look: Look) -> Finding:
    """Low voltage now is a problem; what has been since boot, and a cap, are warnings."""
    power = look.read(_POWER)
    if not power.number:
        return _by_sensor(power.alarm)
    if not power.words:
        return ok(f"throttled={power.number}")
    evidence = f"throttled={power.number}: {', '.join(power.words)}"
    if THROTTLED[0] in power.words:
        return problem(evidence, _UNDER_VOLTAGE, _POWER_FIX)
    if any(word.startswith(THROTTLED[0]) for word in power.words):
        return warning(evidence, _UNDER_VOLTAGE, _POWER_FIX)
    return warning(evidence, "the processor is slowed down, and etcd with it", _COOL_IT)


def _by_sensor(alarm: bool | None) -> Finding:
    if alarm is None:
        return not_applicable("neither vcgencmd nor the rpi_volt sensor is here")
    if alarm:
        return problem("the voltage sensor gives alarm", _UNDER_VOLTAGE, _POWER_FIX)
    return ok("the voltage sensor is quiet")


POWER = Check("power", "enough power, not throttled", _POWER, _judge_power)

# https://www.raspberrypi.com/documentation/computers/processors.html: throttled from 80 degrees
# Celsius on, and hard at 85.
_HOT, _TOO_HOT = 70.0, 80.0


_HEAT = ShellProbe(
    "heat",
    "for zone in /sys/class/thermal/thermal_zone*/temp; do\n"
    '  { read -r degrees <"$zone"; } 2>/dev/null && echo "zone=$degrees"\n'
    "done; true",
    lambda seen: tuple(whole(zone, "zone") / 1000 for zone in seen.every("zone")),
)


def _judge_heat(look: Look) -> Finding:
    """Compare the hottest with where the firmware begins to slow it down."""
    zones = look.read(_HEAT)
    if not zones:
        return not_applicable("no temperature sensor")
    degrees = max(zones)
    shown = f"{degrees:.0f} °C"
    if degrees >= _TOO_HOT:
        return problem(shown, "the firmware slows it down at 80 °C", _COOL_IT)
    if degrees >= _HOT:
        return warning(shown, "it comes close to 80 °C, where it is slowed down", _COOL_IT)
    return ok(shown)


HEAT = Check("heat", "a cool processor", _HEAT, _judge_heat)

_FULL_CURRENT = 5000


@dataclass(frozen=True, slots=True)
class SupplySeen:
    """The current in mA that the supply offers, None if the firmware does not tell.

    `overruled` says that USB gets its full current all the same, `tripped` that USB took too much.
    """

    current: int | None
    overruled: bool
    tripped: bool


def _supply(seen: Observation) -> SupplySeen:
    words = [int(each, 16) for each in _WORD.findall(seen.text("words", ""))]
    told = dict(zip(seen.every("file"), words, strict=False))
    return SupplySeen(
        told.get("max_current"),
        bool(told.get("usb_max_current_enable")),
        bool(told.get("usb_over_current_detected")),
    )


_WORD = re.compile(r"\b[0-9a-f]{8}\b")
_SUPPLY = ShellProbe("supply", shell(__package__, "supply"), _supply)


def _judge_supply(look: Look) -> Finding:
    """Less than 5 A means 600 mA for all USB ports together, unless it was overruled."""
    supply = look.read(_SUPPLY)
    if supply.current is None:
        return not_applicable("the firmware does not tell: not a Pi 5")
    shown = f"{supply.current} mA"
    if supply.tripped:
        return problem(
            f"{shown}; USB took too much at boot",
            "a USB disk was cut off, and will be again",
            "use the 27 W supply, or give the disk a powered hub",
        )
    if supply.current < _FULL_CURRENT and not supply.overruled:
        return warning(
            shown,
            "all USB ports together get 600 mA: an SSD on them may drop out under load",
            "use the 27 W supply; if it gives 5 A without saying so, set PSU_MAX_CURRENT=5000 "
            "with `rpi-eeprom-config -e`",
        )
    return ok(shown)


SUPPLY = Check("supply", "a supply that feeds USB disks", _SUPPLY, _judge_supply)

_USUAL_PAGE = 4


_PAGE_SIZE = ShellProbe(
    "page-size",
    'while read -r key size _; do [ "$key" != KernelPageSize: ] || break; done '
    '</proc/self/smaps\necho "size=$size"',
    lambda seen: seen.number("size", 0),
)


def _judge_page_size(look: Look) -> Finding:
    """A Pi 5 boots a kernel with 16 KiB pages unless it is told not to; most images want 4 KiB."""
    size = look.read(_PAGE_SIZE)
    if not size:
        return not_applicable("the kernel does not tell")
    shown = f"{size} KiB"
    if size == _USUAL_PAGE:
        return ok(shown)
    return warning(
        shown,
        "images with an allocator for 4 KiB pages stop at once (`<jemalloc>: Unsupported "
        "system page size`): some of Redis, fluent-bit, MongoDB",
        "add `kernel=kernel8.img` below `[pi5]` in /boot/firmware/config.txt, and reboot",
    )


PAGE_SIZE = Check("page-size", "memory pages of 4 KiB", _PAGE_SIZE, _judge_page_size)

# https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#BOOT_ORDER
_MEDIA = {
    "1": "SD",
    "2": "network",
    "3": "rpiboot",
    "4": "USB",
    "5": "USB-C",
    "6": "NVMe",
    "7": "HTTP",
    "e": "stop",
    "f": "start again",
}


@dataclass(frozen=True, slots=True)
class BootloaderSeen:
    """The date of the boot loader and its boot order; empty where the firmware does not tell."""

    version: str = ""
    order: str = ""


def _bootloader(seen: Observation) -> BootloaderSeen:
    version = seen.text("version", "")
    # What vcgencmd says of a board whose boot loader is on its card.
    known = not version.startswith("error=")
    return BootloaderSeen(version if known else "", seen.text("BOOT_ORDER", ""))


_BOOTLOADER = ShellProbe(
    "bootloader",
    "command -v vcgencmd >/dev/null || return 0\n"
    "printf version=; vcgencmd bootloader_version 2>/dev/null\n"
    "echo; vcgencmd bootloader_config 2>/dev/null",
    _bootloader,
)


def _judge_bootloader(look: Look) -> Finding:
    """Say the order in words: its digits are read from right to left."""
    loader = look.read(_BOOTLOADER)
    if not loader.version:
        return not_applicable("no boot loader in EEPROM that could be asked")
    digits = reversed(loader.order.lower().removeprefix("0x"))
    words = ", ".join(_MEDIA.get(digit, digit) for digit in digits)
    return ok(f"{loader.version}, BOOT_ORDER={loader.order}: {words}" if words else loader.version)


BOOTLOADER = Check("bootloader", "boot loader and boot order", _BOOTLOADER, _judge_bootloader)

CHECKS = (POWER, HEAT, SUPPLY, BOOTLOADER, PAGE_SIZE)
