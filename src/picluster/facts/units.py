"""Services: iscsid, multipathd, and whatever sets the clock from the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.probe import Answer, Observation, ShellProbe, shown
from picluster.engine.quote import quote
from picluster.errors import Unreadable
from picluster.facts.clock import SYNCHRONISED


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as systemd has it; `skipped` if a condition keeps it from running on this machine."""

    name: str
    enabled: bool
    active: str
    skipped: bool = False
    result: str = ""

    @property
    def runs(self) -> bool:
        """Whether it is active now."""
        return self.active == "active"


def _iscsid(seen: Observation) -> Unit:
    said = Answer(seen)
    return Unit(
        "iscsid",
        said.text("enabled", "") == "enabled",
        said.text("active", ""),
        said.text("ConditionResult", "") == "no",
        said.text("Result", ""),
    )


ISCSID = ShellProbe(
    "iscsid",
    'echo "enabled=$(systemctl is-enabled iscsid 2>/dev/null)"\n'
    'echo "active=$(systemctl is-active iscsid)"\n'
    "systemctl show -p Result -p ConditionResult iscsid 2>/dev/null",
    _iscsid,
)


@dataclass(frozen=True, slots=True)
class Multipath:
    """Whether multipathd is installed, and whether it has exactly the wanted drop-in."""

    installed: bool
    as_wanted: bool = False


def multipath(path: str, wanted: str) -> ShellProbe[Multipath]:
    """Ask whether multipathd is installed and whether the file at `path` holds `wanted`."""

    def parse(seen: Observation) -> Multipath:
        said = Answer(seen)
        return Multipath(said.flag("installed"), said.flag("same"))

    return ShellProbe(
        "multipath",
        "command -v multipathd >/dev/null || exit 0\n"
        "echo installed=yes\n"
        f'[ ! -e {path} ] || [ "$(cat {path})" != {quote(wanted.rstrip())} ] || echo same=yes',
        parse,
    )


@dataclass(frozen=True, slots=True)
class TimeKeeping:
    """The time daemons that are installed, and whether the clock is synchronised."""

    daemons: tuple[Unit, ...]
    synchronised: bool


def time_keeping(units: Sequence[str]) -> ShellProbe[TimeKeeping]:
    """Ask which of these time daemons are installed and run, and whether the clock is set."""
    return ShellProbe(
        "time-sync",
        f"for unit in {' '.join(units)}; do\n"
        "  enabled=$(systemctl is-enabled $unit 2>/dev/null)\n"
        "  case $enabled in ''|not-found|masked*) continue ;; esac\n"
        "  state=$(systemctl is-active $unit)\n"
        "  condition=$(systemctl show -p ConditionResult $unit | cut -d= -f2)\n"
        '  echo "unit=$unit $enabled $state $condition"\n'
        f"done\n{SYNCHRONISED}",
        _time_keeping,
    )


def _time_keeping(seen: Observation) -> TimeKeeping:
    said = Answer(seen)
    return TimeKeeping(tuple(map(_daemon, said.every("unit"))), said.flag("synchronised"))


def _daemon(line: str) -> Unit:
    words = line.split(" ")
    if len(words) != len(("name", "enabled", "active", "condition")):
        raise Unreadable(f"`unit` is not four words: {shown(line)}")
    name, enabled, active, condition = words
    return Unit(name, enabled == "enabled", active, skipped=condition == "no")
