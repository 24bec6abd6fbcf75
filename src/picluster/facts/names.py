"""What a machine is called and where it thinks it is: host name, time zone, locale."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.shell import shared, shell

HOSTNAME_FILE = "/etc/hostname"


UNAME = shared(__package__, "uname")
"""Shell that sets `host` and `kernel`: the host name and the kernel's release in force."""


@dataclass(frozen=True, slots=True)
class HostName:
    """The name in force, and the one after a reboot."""

    now: str
    at_boot: str


HOST_NAME = ShellProbe(
    "hostname",
    f'{UNAME}echo "now=$host"\n'
    "boot=\n"
    f'[ ! -e {HOSTNAME_FILE} ] || while read -r boot || [ -n "$boot" ]; do\n'
    "  case $boot in ''|'#'*) ;; *) break ;; esac\n"
    f"done <{HOSTNAME_FILE}\n"
    'echo "boot=$boot"',
    lambda seen: HostName(seen.text("now"), seen.text("boot", "").strip()),
)


@dataclass(frozen=True, slots=True)
class Zone:
    """The time zone in force, and what a wanted one is really called here; empty if unknown."""

    zone: str
    wanted: str


def _zone(seen: Observation) -> Zone:
    return Zone(seen.text("zone"), seen.text("wanted"))


def time_zone(wanted: str) -> ShellProbe[Zone]:
    """Ask where /etc/localtime leads, and where the wanted zone does: zones have aliases."""
    return ShellProbe(
        "timezone",
        # In one go: a path of which parts are missing is printed all the same.
        f"set -- $(readlink -m /etc/localtime /usr/share/zoneinfo/{quote(wanted)})\n"
        'echo "zone=${1##*/zoneinfo/}"; echo "wanted=${2##*/zoneinfo/}"',
        _zone,
    )


@dataclass(frozen=True, slots=True)
class Locales:
    """The default locales that files name, and those that are generated, as `locale -a` spells."""

    default: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()


def _locales(seen: Observation) -> Locales:
    return Locales(seen.every("lang"), seen.every("known"))


LOCALES = ShellProbe("locale", shell(__package__, "locales"), _locales)
