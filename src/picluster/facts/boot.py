"""Control groups, and the firmware's command line, which turns memory's on at the next boot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell

MEMORY_CGROUP_SHELL = shell(__package__, "memory_cgroup")
"""Shell that says whether the running kernel has the memory cgroup, on either cgroup version."""


def _has_memory(seen: Observation) -> bool:
    return seen.flag("memory")


MEMORY_CGROUP = ShellProbe("cgroup", MEMORY_CGROUP_SHELL, _has_memory)
"""Whether the running kernel has the memory cgroup."""


# https://docs.kernel.org/admin-guide/cgroup-v2.html: every directory of version 2 has that file.
CGROUPS = ShellProbe(
    "cgroups",
    "version=0\n"
    "[ -d /sys/fs/cgroup/memory ] || [ -d /sys/fs/cgroup/cpu ] && version=1\n"
    "[ -e /sys/fs/cgroup/cgroup.controllers ] && version=2\n"
    'echo "version=$version"',
    lambda seen: seen.number("version"),
)
"""Which control groups there are, version 1 or 2; 0 where none are mounted."""


@dataclass(frozen=True, slots=True)
class Boot:
    """How the kernel was started, and what it will be told at the next boot.

    All but `memory_cgroup` and `in_cluster` is asked only where the memory cgroup is off.
    `ignored`: it was told to turn the memory cgroup on, and did not. `untried`: a new kernel waits
    to be tried, with a command line of its own. `cmdline` is the file, empty if there is none;
    `mode` its permissions. `in_cluster`: the node holds K3s data.
    """

    memory_cgroup: bool
    ignored: bool = False
    untried: bool = False
    cmdline: str = ""
    text: str = ""
    mode: int = 0o755
    in_cluster: bool = False


def _boot(seen: Observation) -> Boot:
    mode = seen.text("mode", "")
    return Boot(
        memory_cgroup=seen.flag("memory"),
        ignored=seen.flag("ignored"),
        untried=seen.flag("untried"),
        cmdline=seen.text("file", ""),
        text=seen.content("text") or "",
        # FAT knows few modes, and refuses to be given another.
        mode=int(mode, 8) if re.fullmatch("[0-7]{3,4}", mode) else 0o755,
        in_cluster=seen.flag("cluster"),
    )


BOOT = ShellProbe("memory-cgroup", MEMORY_CGROUP_SHELL + shell(__package__, "boot"), _boot)
