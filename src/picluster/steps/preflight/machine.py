"""Is this machine one that K3s can run on: system, architecture, memory, disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe, whole
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.facts.boot import MEMORY_CGROUP
from picluster.facts.packages import ARCHITECTURE

_KERNELS = ("aarch64", "x86_64")
_MIB = 1024 * 1024
_GIB = 1024 * _MIB

# https://docs.k3s.io/installation/requirements: 2 GB for a server and 512 MB for an agent. A Pi
# sold with 1 GB shows about 920 MB, so the limits lie a little below the round numbers.
_SERVER_LEAST_MEMORY = 850 * _MIB
_SERVER_GOOD_MEMORY = 1700 * _MIB
_AGENT_LEAST_MEMORY = 400 * _MIB
LEAST_DISK = 2 * _GIB
GOOD_DISK = 8 * _GIB
"""Free bytes, below which K3s is refused, and below which there is a warning."""


@dataclass(frozen=True, slots=True)
class System:
    """What a machine runs; texts are empty where it does not tell. `user` is the id we work as.

    `kernel` is its architecture, asked only if that of programs is not one of 64 bits.
    """

    user: str
    init: str
    has_apt: bool
    arch: str
    kernel: str
    pretty: str


def _system(seen: Observation) -> System:
    return System(
        seen.text("user"),
        seen.text("init"),
        seen.flag("apt"),
        seen.text("arch", ""),
        seen.text("kernel", ""),
        seen.text("pretty", ""),
    )


SYSTEM = ShellProbe("system", ARCHITECTURE + shell(__package__, "system"), _system)


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """The system has systemd and apt, and a 64-bit userland that K3s is released for."""

    name: str = SYSTEM.name
    title: str = "64-bit Debian, Ubuntu or Raspberry Pi OS"

    def probe(self) -> ShellProbe[System]:
        """Look at what is there, not at what it is called."""
        return SYSTEM

    def decide(self, look: Look) -> Decision:
        system = look.read(SYSTEM)
        if system.user != "0":
            return Blocked(
                "commands do not run as root there",
                "let ssh.user use sudo without a password, or give ssh.sudo_password",
            )
        if system.init != "systemd":
            return Blocked(
                f"the first process is {system.init}, not systemd", "flash Raspberry Pi OS"
            )
        if not system.has_apt:
            return Blocked(
                f"{system.pretty or 'this system'} has no apt",
                "use Raspberry Pi OS, Debian or Ubuntu",
            )
        arch = system.arch
        if arch not in ("arm64", "amd64"):
            why = " although its kernel is 64-bit" if system.kernel in _KERNELS else ""
            return Blocked(
                f"its userland is {arch or 'unknown'}{why}, and K3s needs 64 bits",
                "flash the 64-bit image",
            )
        return Satisfied(detail=f"{system.pretty}, {arch}")


@dataclass(frozen=True, slots=True)
class MemoryInstalled:
    """The memory that the kernel has, in bytes; None where it does not tell."""

    memory: int | None


def _installed(seen: Observation) -> MemoryInstalled:
    return MemoryInstalled(seen.number("kib") * 1024 if seen.text("kib", "") else None)


MEMORY = ShellProbe("memory", shell(__package__, "memory"), _installed)


@dataclass(frozen=True, slots=True)
class Memory:
    """There is enough memory for the node's role."""

    is_server: bool
    name: str = MEMORY.name
    title: str = "enough memory"

    def probe(self) -> ShellProbe[MemoryInstalled]:
        return MEMORY

    def decide(self, look: Look) -> Decision:
        """Refuse what would be killed for lack of memory soon."""
        memory = look.read(MEMORY).memory
        if memory is None:
            return Satisfied(warning="the memory could not be read")
        least = _SERVER_LEAST_MEMORY if self.is_server else _AGENT_LEAST_MEMORY
        shown = f"{memory / _GIB:.1f} GiB"
        if memory < least:
            return Blocked(
                f"it has {shown} of memory, too little for "
                f"{'a server' if self.is_server else 'an agent'}",
                "make it an agent, or use a Pi with more memory"
                if self.is_server
                else "use another Pi",
            )
        if self.is_server and memory < _SERVER_GOOD_MEMORY:
            return Satisfied(warning=f"{shown} of memory is little for a server")
        return Satisfied(detail=shown)


@dataclass(frozen=True, slots=True)
class FreeRoom:
    """Free bytes by path."""

    free: Mapping[str, int]


def _free_room(seen: Observation) -> FreeRoom:
    pairs = [value.partition(" ") for value in seen.every("free")]
    return FreeRoom({path: whole(number, "free") for number, _, path in pairs if number})


FREE_ROOM = ShellProbe("disk", shell(__package__, "free_room"), _free_room)


@dataclass(frozen=True, slots=True)
class FreeDisk:
    """There is room where K3s keeps images and data."""

    name: str = FREE_ROOM.name
    title: str = "enough free disk"

    def probe(self) -> ShellProbe[FreeRoom]:
        """Read the free bytes of the root file system and of K3s' own, if it has one."""
        return FREE_ROOM

    def decide(self, look: Look) -> Decision:
        """Refuse if an image or two would fill it: the kubelet evicts pods before it is full."""
        free = look.read(FREE_ROOM).free
        if not free:
            return Satisfied(warning="the free disk could not be read")
        path, least = min(free.items(), key=lambda pair: pair[1])
        shown = f"{least / _GIB:.1f} GiB free in {path}"
        if least < LEAST_DISK:
            return Blocked(
                f"only {shown}", "free some space (`df -h`, `apt-get clean`), or use a larger card"
            )
        if least < GOOD_DISK:
            return Satisfied(warning=f"{shown} is little for images and data")
        return Satisfied(detail=shown)


@dataclass(frozen=True, slots=True)
class MemoryCgroupKnown:
    """Whether the memory cgroup is on; `prepare` turns it on, which takes a reboot."""

    name: str = MEMORY_CGROUP.name
    title: str = "memory cgroup"

    def probe(self) -> ShellProbe[bool]:
        return MEMORY_CGROUP

    def decide(self, look: Look) -> Decision:
        """Only tell: it is prepare's to change."""
        if look.read(MEMORY_CGROUP):
            return Satisfied()
        return Satisfied(warning="the memory cgroup is off; prepare enables it and reboots")
