"""Kernel modules and parameters as they are in force now."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.shell import shell
from picluster.facts.names import UNAME


@dataclass(frozen=True, slots=True)
class Modules:
    """The asked modules that are there, and those that can be loaded.

    `brings_none` is a kernel without module files, such as a virtual machine's: it may have what
    is needed built in without saying so. `replaced` is one whose files went with an update.
    """

    there: tuple[str, ...] = ()
    loadable: tuple[str, ...] = ()
    brings_none: bool = False
    replaced: bool = False


def _modules(seen: Observation) -> Modules:
    files = seen.text("modules", "")
    return Modules(
        seen.every("there"), seen.every("can"), files == "none", files not in ("", "none")
    )


def kernel_modules(names: Sequence[str]) -> ShellProbe[Modules]:
    """Ask which of these modules are there, loaded or built in, and which can be loaded."""
    return ShellProbe(
        "kernel-modules",
        UNAME + shell(__package__, "kernel_modules", MODULES=tuple(names)),
        _modules,
    )


@dataclass(frozen=True, slots=True)
class Sysctls:
    """Values of kernel parameters, single blanks between their parts; one not there is absent."""

    values: Mapping[str, str] = field(default_factory=dict)


def sysctls(keys: Sequence[str]) -> ShellProbe[Sysctls]:
    """Ask for the values in force."""

    def read(seen: Observation) -> Sysctls:
        return Sysctls({key: " ".join(seen.text(key).split()) for key in keys if seen.has(key)})

    return ShellProbe("sysctls-in-force", _values(keys), read)


def _values(keys: Sequence[str]) -> str:
    """Return shell that prints the values in force."""
    paths = {key: _path(key) for key in keys}
    pairs = tuple(word for pair in paths.items() for word in pair)
    return shell(__package__, "sysctls", PATHS=tuple(paths.values()), KEYS=pairs, LINE_END="\n")


def _path(key: str) -> str:
    """Return the file of a parameter: its first separator says which it is (sysctl.d(5))."""
    separator = re.search("[./]", key)
    swaps = separator is not None and separator[0] == "."
    return f"/proc/sys/{key.translate(str.maketrans('./', '/.')) if swaps else key}"


@dataclass(frozen=True, slots=True)
class KernelLimits:
    """Kernel parameters that are numbers: what is in force, and what a file sets at boot.

    `settable` are those that this machine may set; in a container its host decides.
    """

    values: Mapping[str, int] = field(default_factory=dict)
    settable: frozenset[str] = frozenset()
    text: str = ""


def sysctl_limits(name: str, keys: Sequence[str], file: str) -> ShellProbe[KernelLimits]:
    """Ask for limits in force, which of them can be set, and for the file that sets them."""

    def read(seen: Observation) -> KernelLimits:
        values = {key: seen.number(key) for key in keys if seen.has(key)}
        return KernelLimits(values, frozenset(seen.every("settable")), seen.content("file") or "")

    lines = [f"[ -w {quote(_path(key))} ] && echo settable={quote(key)}\n" for key in keys]
    where = quote(file)
    lines.append(f'[ -f {where} ] && echo "file=$(base64 -w0 <{where})"\ntrue\n')
    return ShellProbe(name, _values(keys) + "".join(lines), read)
