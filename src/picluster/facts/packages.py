"""Debian packages: which are installed, what dpkg left unfinished, how old apt's lists are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shared, shell

ARCHITECTURE = shared(__package__, "architecture")
"""Shell that sets `arch` to the architecture that packages are installed for, in Debian's words."""

_DPKG = shared(__package__, "dpkg", LINE_END="\n")


@dataclass(frozen=True, slots=True)
class PackageState:
    """The asked packages that are installed and configured; the age of apt's lists in seconds.

    `interrupted`: dpkg has unfinished work. The age is None where there are no lists.
    """

    installed: frozenset[str] = frozenset()
    interrupted: bool = False
    lists_age: int | None = None


def package_answer(seen: Observation) -> PackageState:
    """Read what `package_shell` prints."""
    states = (line.partition(" ") for line in seen.every("have"))
    return PackageState(
        frozenset(name for state, _, name in states if state == "installed"),
        seen.flag("interrupted"),
        None if seen.has("lists") else seen.number("age"),
    )


def package_shell(names: Sequence[str]) -> str:
    """Return shell that asks dpkg about all of them at once, and how old the package lists are."""
    return _DPKG + shell(__package__, "packages", PACKAGES=tuple(names))


def package_state(names: Sequence[str]) -> ShellProbe[PackageState]:
    """Ask for the state of these packages."""
    return ShellProbe("packages", package_shell(names), package_answer)


@dataclass(frozen=True, slots=True)
class Programs:
    """Which programs are on the path, whoever put them there, and what dpkg says of packages."""

    found: frozenset[str]
    packages: PackageState


def programs(name: str, wanted: Sequence[str], packages: Sequence[str]) -> ShellProbe[Programs]:
    """Ask for programs and, in the same look, for the packages that would bring them."""
    look = "".join(f"! command -v {each} >/dev/null || echo program={each}\n" for each in wanted)

    def parse(seen: Observation) -> Programs:
        return Programs(frozenset(seen.every("program")), package_answer(seen))

    return ShellProbe(name, look + package_shell(packages), parse)
