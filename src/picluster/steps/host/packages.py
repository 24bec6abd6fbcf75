"""Debian packages, installed in one apt transaction that survives whatever interrupts it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.causes import packages as causes
from picluster.engine.probe import ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.facts.packages import PackageState, package_state

PACKAGES = "packages"

K3S_NEEDS = ("socat", "conntrack", "ipset", "open-iscsi", "nfs-common")
"""What K3s and Longhorn want on a node: https://longhorn.io/docs/ lists the last two."""

STAND_INS = {"systemd-timesyncd": ("chrony", "ntpsec", "ntp", "openntpd")}
"""Packages, and units of the same names, that another one would remove, as they do its work."""

_LOCK_SECONDS = 600
_APT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Packages:
    """These packages are installed, and dpkg has nothing unfinished.

    The lists of what there is to install are fetched anew when they are older than
    `lists_max_age` seconds, and only if something has to be installed.
    """

    packages: Sequence[str]
    lists_max_age: float
    name: str = PACKAGES

    @property
    def title(self) -> str:
        return f"{len(self.packages)} packages are installed"

    def probe(self) -> ShellProbe[PackageState]:
        """Ask for all of them, and for those that would do instead."""
        return package_state(
            [*self.packages, *(other for name in self.packages for other in _instead(name))]
        )

    def decide(self, look: Look) -> Decision:
        return have(self.packages, look.read(self.probe()), self.lists_max_age)


def have(packages: Sequence[str], state: PackageState, lists_max_age: float) -> Satisfied | Change:
    """Decide what has to be done for these packages to be installed, and nothing half-way."""
    missing = _missing(packages, state)
    if not missing and not state.interrupted:
        return Satisfied()
    reasons = ["an installation was interrupted"] if state.interrupted else []
    reasons += ["not installed"] if missing else []
    old = state.lists_age is None or state.lists_age >= lists_max_age
    return Change(
        f"install {', '.join(missing)}" if missing else "finish the interrupted installation",
        (installation(missing, repair=state.interrupted, refresh=old),),
        reason="; ".join(reasons),
    )


def _missing(packages: Sequence[str], state: PackageState) -> tuple[str, ...]:
    """Return the packages that dpkg does not list as installed, in the order asked for."""
    return tuple(
        name for name in packages if state.installed.isdisjoint([_plain(name), *_instead(name)])
    )


def installation(packages: Sequence[str], *, repair: bool, refresh: bool) -> Run:
    """Return the one apt transaction: `repair` what was interrupted, `refresh` the lists first."""
    work = shell(
        __package__,
        "apt_install",
        LOCK_SECONDS=_LOCK_SECONDS,
        REPAIR=repair,
        REFRESH=refresh,
        PACKAGES=tuple(packages),
    )
    return Run(shell(__package__, "apt_detached", WORK=work), _APT_SECONDS, causes.PACKAGES)


def _instead(package: str) -> Sequence[str]:
    return STAND_INS.get(package, ())


def _plain(package: str) -> str:
    """Return the name without an architecture or version that apt would accept after it."""
    return re.split("[:=/]", package, maxsplit=1)[0]
