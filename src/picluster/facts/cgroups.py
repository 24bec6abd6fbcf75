"""Which control groups a machine has: version 1, or 2."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Answer, Observation, ShellProbe


@dataclass(frozen=True, slots=True)
class Cgroups:
    """`version` is 1 or 2; 0 where no control groups are mounted."""

    version: int


def _cgroups(seen: Observation) -> Cgroups:
    return Cgroups(Answer(seen).number("version"))


# https://docs.kernel.org/admin-guide/cgroup-v2.html: every directory of version 2 has that file.
CGROUPS = ShellProbe(
    "cgroups",
    "version=0\n"
    "[ -d /sys/fs/cgroup/memory ] || [ -d /sys/fs/cgroup/cpu ] && version=1\n"
    "[ -e /sys/fs/cgroup/cgroup.controllers ] && version=2\n"
    'echo "version=$version"',
    _cgroups,
)
