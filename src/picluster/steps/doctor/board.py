"""The board: its power, heat, memory pages and boot order. Only reported: hands have to mend it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picluster.engine.probe import whole
from picluster.engine.step import Script
from picluster.engine.survey import Look
from picluster.steps.doctor.finding import Finding, not_applicable, ok, problem, warning
from picluster.steps.vitals import THROTTLED, throttling

_UNDER_VOLTAGE = "under-voltage corrupts cards and resets USB disks"
_POWER_FIX = (
    "use the board's own power supply and a short thick cable (a Pi 5 wants 5 A), or a PoE hat "
    "that is rated for the board and its disks"
)
_COOL_IT = "cool it: a fan, a heat sink, air in the case"


@dataclass(frozen=True, slots=True)
class Power:
    """The supply holds its voltage, and nothing is throttled, now or since boot."""

    name: str = "power"
    title: str = "enough power, not throttled"

    def probe(self) -> Script:
        """Ask the firmware; where its tool is not installed, the kernel's voltage sensor.

        The file below /sys/devices/platform/soc is deprecated: reading it makes the kernel
        complain in its log.
        """
        return Script(
            "vcgencmd get_throttled 2>/dev/null | grep '^throttled='\n"
            "for alarm in /sys/class/hwmon/*/in0_lcrit_alarm; do\n"
            '  [ "$(cat "${alarm%/*}/name" 2>/dev/null)" != rpi_volt ] '
            '|| echo "alarm=$(cat "$alarm")"\n'
            "done; true"
        )

    def judge(self, look: Look) -> Finding:
        """Low voltage now is a problem; what has been since boot, and a cap, are warnings."""
        facts = look.own.facts
        number = facts.get("throttled")
        return _by_sensor(facts.get("alarm")) if number is None else _by_firmware(number)


def _by_sensor(alarm: str | None) -> Finding:
    if alarm is None:
        return not_applicable("neither vcgencmd nor the rpi_volt sensor is here")
    if alarm == "0":
        return ok("the voltage sensor is quiet")
    return problem("the voltage sensor gives alarm", _UNDER_VOLTAGE, _POWER_FIX)


def _by_firmware(number: str) -> Finding:
    seen = throttling(number)
    if not seen:
        return ok(f"throttled={number}")
    evidence = f"throttled={number}: {', '.join(seen)}"
    if THROTTLED[0] in seen:
        return problem(evidence, _UNDER_VOLTAGE, _POWER_FIX)
    if any(word.startswith(THROTTLED[0]) for word in seen):
        return warning(evidence, _UNDER_VOLTAGE, _POWER_FIX)
    return warning(evidence, "the processor is slowed down, and etcd with it", _COOL_IT)


# https://www.raspberrypi.com/documentation/computers/processors.html: throttled from 80 degrees
# Celsius on, and hard at 85.
_HOT, _TOO_HOT = 70.0, 80.0


@dataclass(frozen=True, slots=True)
class Heat:
    """The processor is cool enough to run at full speed."""

    name: str = "heat"
    title: str = "a cool processor"

    def probe(self) -> Script:
        """Read the hottest zone, in thousandths of a degree Celsius."""
        return Script(
            "for zone in /sys/class/thermal/thermal_zone*/temp; do\n"
            '  [ ! -r "$zone" ] || echo "$(cat "$zone" 2>/dev/null)"\n'
            "done | sort -n | tail -n 1 | sed 's/^/temperature=/'"
        )

    def judge(self, look: Look) -> Finding:
        """Compare with where the firmware begins to slow it down."""
        text = look.own.facts.get("temperature", "")
        if not text:
            return not_applicable("no temperature sensor")
        degrees = whole(text, "temperature") / 1000
        shown = f"{degrees:.0f} °C"
        if degrees >= _TOO_HOT:
            return problem(shown, "the firmware slows it down at 80 °C", _COOL_IT)
        if degrees >= _HOT:
            return warning(shown, "it comes close to 80 °C, where it is slowed down", _COOL_IT)
        return ok(shown)


_FULL_CURRENT = 5000


@dataclass(frozen=True, slots=True)
class Supply:
    """A Pi 5 was offered the current that its USB ports need for disks."""

    name: str = "supply"
    title: str = "a supply that feeds USB disks"

    def probe(self) -> Script:
        """Read what the firmware negotiated: big-endian words in the device tree."""
        return Script(
            "cd /proc/device-tree/chosen/power 2>/dev/null || exit 0\n"
            "for file in max_current usb_max_current_enable usb_over_current_detected; do\n"
            "  [ ! -r $file ] || echo \"$file=$(od -An -tx1 $file | tr -d ' \\n')\"\n"
            "done"
        )

    def judge(self, look: Look) -> Finding:
        """Less than 5 A means 600 mA for all USB ports together, unless it was overruled."""
        facts = look.own.facts
        current = _word(facts.get("max_current", ""))
        if current is None:
            return not_applicable("the firmware does not tell: not a Pi 5")
        shown = f"{current} mA"
        if _word(facts.get("usb_over_current_detected", "")):
            return problem(
                f"{shown}; USB took too much at boot",
                "a USB disk was cut off, and will be again",
                "use the 27 W supply, or give the disk a powered hub",
            )
        if current < _FULL_CURRENT and not _word(facts.get("usb_max_current_enable", "")):
            return warning(
                shown,
                "all USB ports together get 600 mA: an SSD on them may drop out under load",
                "use the 27 W supply; if it gives 5 A without saying so, set PSU_MAX_CURRENT=5000 "
                "with `rpi-eeprom-config -e`",
            )
        return ok(shown)


def _word(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"[0-9a-f]{2,8}", text) else None


_USUAL_PAGE = "4096"


@dataclass(frozen=True, slots=True)
class PageSize:
    """Memory pages have 4 KiB, which is what most images are built for."""

    name: str = "page-size"
    title: str = "memory pages of 4 KiB"

    def probe(self) -> Script:
        """Ask the C library."""
        return Script('echo "size=$(getconf PAGESIZE)"')

    def judge(self, look: Look) -> Finding:
        """A Pi 5 boots a kernel with 16 KiB pages unless it is told not to."""
        size = look.own.facts.get("size", "")
        if not size:
            return not_applicable("getconf does not tell")
        shown = f"{whole(size, 'size') // 1024} KiB"
        if size == _USUAL_PAGE:
            return ok(shown)
        return warning(
            shown,
            "images with an allocator for 4 KiB pages stop at once (`<jemalloc>: Unsupported "
            "system page size`): some of Redis, fluent-bit, MongoDB",
            "add `kernel=kernel8.img` below `[pi5]` in /boot/firmware/config.txt, and reboot",
        )


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
class Bootloader:
    """How old the boot loader is, and where it looks for a system. Only told."""

    name: str = "bootloader"
    title: str = "boot loader and boot order"

    def probe(self) -> Script:
        """Ask the firmware."""
        return Script(
            "vcgencmd bootloader_version 2>/dev/null | sed -n '1s/^/version=/p'\n"
            "vcgencmd bootloader_config 2>/dev/null | grep '^BOOT_ORDER='; true"
        )

    def judge(self, look: Look) -> Finding:
        """Say the order in words: its digits are read from right to left."""
        facts = look.own.facts
        if "version" not in facts:
            return not_applicable("no boot loader in EEPROM that could be asked")
        order = facts.get("BOOT_ORDER", "")
        words = [_MEDIA.get(digit, digit) for digit in reversed(order.lower().removeprefix("0x"))]
        said = f", BOOT_ORDER={order}: {', '.join(words)}" if order else ""
        return ok(f"{facts['version']}{said}")
