"""Is this machine one that K3s can run on: system, architecture, memory, disk."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.step import Blocked, Decision, Satisfied, Script
from picluster.engine.survey import Look
from picluster.facts.boot import MEMORY_CGROUP

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
class OperatingSystem:
    """The system has systemd and apt, and a 64-bit userland that K3s is released for."""

    name: str = "system"
    title: str = "64-bit Debian, Ubuntu or Raspberry Pi OS"

    def probe(self) -> Script:
        """Look at what is there, not at what it is called."""
        return Script(
            'echo "user=$(id -u)"\n'
            'echo "init=$(cat /proc/1/comm)"\n'
            "command -v apt-get >/dev/null && command -v dpkg >/dev/null && echo apt=yes\n"
            'echo "arch=$(dpkg --print-architecture 2>/dev/null)"\n'
            'echo "kernel=$(uname -m)"\n'
            '. /etc/os-release; echo "pretty=$PRETTY_NAME"'
        )

    def decide(self, look: Look) -> Decision:
        """Refuse what picluster cannot prepare or K3s cannot run on."""
        facts = look.own.facts
        if facts.get("user") != "0":
            return Blocked(
                "commands do not run as root there",
                "let ssh.user use sudo without a password, or give ssh.sudo_password",
            )
        if facts.get("init") != "systemd":
            return Blocked(
                f"the first process is {facts.get('init')}, not systemd", "flash Raspberry Pi OS"
            )
        if facts.get("apt") != "yes":
            return Blocked(
                f"{facts.get('pretty') or 'this system'} has no apt",
                "use Raspberry Pi OS, Debian or Ubuntu",
            )
        arch = facts.get("arch", "")
        if arch not in ("arm64", "amd64"):
            why = " although its kernel is 64-bit" if facts.get("kernel") in _KERNELS else ""
            return Blocked(
                f"its userland is {arch or 'unknown'}{why}, and K3s needs 64 bits",
                "flash the 64-bit image",
            )
        return Satisfied(detail=f"{facts.get('pretty')}, {arch}")


@dataclass(frozen=True, slots=True)
class Memory:
    """There is enough memory for the node's role."""

    is_server: bool
    name: str = "memory"
    title: str = "enough memory"

    def probe(self) -> Script:
        """Read what the kernel has."""
        return Script("echo \"kib=$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)\"")

    def decide(self, look: Look) -> Decision:
        """Refuse what would be killed for lack of memory soon."""
        kib = look.own.facts.get("kib", "")
        if not kib.isdigit():
            return Satisfied(warning="the memory could not be read")
        memory = int(kib) * 1024
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
class Disk:
    """There is room where K3s keeps images and data."""

    name: str = "disk"
    title: str = "enough free disk"

    def probe(self) -> Script:
        """Read the free bytes of the root file system and of K3s' own, if it has one."""
        return Script(
            "for path in / /var/lib /var/lib/rancher; do\n"
            "  [ -d $path ] && echo \"free=$(df -PB1 $path | awk 'NR == 2 {print $4}') $path\"\n"
            "done; true"
        )

    def decide(self, look: Look) -> Decision:
        """Refuse if an image or two would fill it: the kubelet evicts pods before it is full."""
        pairs = [line.removeprefix("free=").partition(" ") for line in look.own.lines]
        free = {path: int(number) for number, _, path in pairs if number.isdigit()}
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
        """Ask the running kernel."""
        return MEMORY_CGROUP

    def decide(self, look: Look) -> Decision:
        """Only tell: it is prepare's to change."""
        if look.read(MEMORY_CGROUP):
            return Satisfied()
        return Satisfied(warning="the memory cgroup is off; prepare enables it and reboots")
