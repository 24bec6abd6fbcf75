"""Services: iscsid, and whatever sets the clock from the network."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe, shown
from picluster.engine.shell import shared, shell
from picluster.errors import Unreadable

TIME_DAEMONS = ("chrony", "chronyd", "ntpsec", "ntp", "openntpd", "systemd-timesyncd")
"""Debian's chrony calls its unit chrony, and others call it chronyd."""

KUBERNETES = (
    "kubelet",
    "snap.microk8s.daemon-kubelite",
    "k0scontroller",
    "k0sworker",
    "rke2-server",
    "rke2-agent",
)
"""Units of Kubernetes of other makers."""

FIREWALLS = ("ufw", "firewalld", "nftables")

_SWAP = ("dphys-swapfile", "zramswap")
_ASKED = ("k3s", "k3s-agent", "docker", "iscsid", "multipathd", *_SWAP, *TIME_DAEMONS)

UNITS = shared(
    __package__, "units", UNITS=" ".join((*_ASKED, *KUBERNETES, *FIREWALLS)), BLANK_LINE="\n\n"
)
"""Shell that defines `unit NAME`: systemd is asked once for all units that any probe asks for."""

SYNCHRONISED = f"""{UNITS}
if [ -e /run/systemd/timesync/synchronized ]; then echo synchronised=yes
elif unit systemd-timesyncd && [ "$active" = active ]; then echo synchronised=no
elif chronyc -n tracking 2>/dev/null | grep -q '^Leap status *: Normal'; then echo synchronised=yes
elif ntpq -c 'rv 0 leap' 2>/dev/null | grep -q 'leap=00'; then echo synchronised=yes
else echo synchronised=no; fi
"""
"""Shell that prints `synchronised=yes` or `=no`."""


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
    return Unit(
        "iscsid",
        seen.text("enabled", "") == "enabled",
        seen.text("active", ""),
        seen.text("ConditionResult", "") == "no",
        seen.text("Result", ""),
    )


ISCSID = ShellProbe(
    "iscsid",
    f"{UNITS}unit iscsid\n"
    'echo "enabled=$enabled"; echo "active=$active"\n'
    'echo "ConditionResult=$condition"; echo "Result=$result"',
    _iscsid,
)


@dataclass(frozen=True, slots=True)
class TimeKeeping:
    """The time daemons that are installed, and whether the clock is synchronised."""

    daemons: tuple[Unit, ...]
    synchronised: bool


def _daemon(line: str) -> Unit:
    words = line.split(" ")
    if len(words) != len(("name", "enabled", "active", "condition")):
        raise Unreadable(f"`unit` is not four words: {shown(line)}")
    name, enabled, active, condition = words
    return Unit(name, enabled == "enabled", active, skipped=condition == "no")


TIME_KEEPING = ShellProbe(
    "time-sync",
    SYNCHRONISED + shell(__package__, "time_keeping", DAEMONS=" ".join(TIME_DAEMONS)),
    lambda seen: TimeKeeping(tuple(map(_daemon, seen.every("unit"))), seen.flag("synchronised")),
)
"""Which time daemons are installed and run, and whether the clock is set from the network."""
