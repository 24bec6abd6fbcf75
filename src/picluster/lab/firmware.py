"""What a Raspberry Pi's firmware does at boot, imitated: the kernel command line and its effect.

The firmware puts `cgroup_disable=memory` before what cmdline.txt says, so a fresh Pi has no memory
cgroup, and K3s does not start on it. A node's /proc/cmdline and /proc/cgroups say the same here,
until cmdline.txt on its card enables the memory cgroup and it is rebooted. Nodes share this
computer's kernel, whose swap is not theirs: /proc/swaps is a file of the node's own, and the
lab's `swapon` and `swapoff` (in /usr/local/sbin) write to it.
"""

from __future__ import annotations

import re

from picluster.lab.commands import attempt
from picluster.lab.layout import LabNode

_PREFIX = "coherent_pool=1M 8250.nr_uarts=1 cgroup_disable=memory"
_DIRECTORY = "/run/picluster-lab"
SWAPS = f"{_DIRECTORY}/swaps"
_NO_SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def kernel_command_line(cmdline_txt: str) -> str:
    """Return what the kernel is started with: the firmware's words, then the file's first line."""
    lines = cmdline_txt.splitlines()
    return f"{_PREFIX} {lines[0].strip() if lines else ''}".strip()


def memory_cgroup_enabled(command_line: str) -> bool:
    """Say whether such a kernel has the memory cgroup: a later word wins over an earlier one."""
    enabled = True
    for word in command_line.split():
        if word == "cgroup_disable=memory":
            enabled = False
        elif word in ("cgroup_enable=memory", "cgroup_memory=1"):
            enabled = True
    return enabled


def without_memory(cgroups: str) -> str:
    """Return /proc/cgroups as a kernel without the memory cgroup shows it."""
    return re.sub(r"^(memory\t.*\t)1$", r"\g<1>0", cgroups, flags=re.MULTILINE)


def start(node: LabNode, leader: int) -> None:
    """Lay the imitated files over the real ones in the node whose first process is `leader`."""
    cmdline = node.root / "boot/firmware/cmdline.txt"
    line = kernel_command_line(cmdline.read_text() if cmdline.exists() else "")
    _overlay(leader, "cmdline", f"{line}\n", "/proc/cmdline")
    _overlay(leader, "swaps", _NO_SWAPS, "/proc/swaps")
    if memory_cgroup_enabled(line):
        return
    _overlay(leader, "cgroups", without_memory(_read("/proc/cgroups")), "/proc/cgroups")
    controllers = _read("/sys/fs/cgroup/cgroup.controllers")
    if controllers:
        rest = " ".join(word for word in controllers.split() if word != "memory")
        _overlay(leader, "controllers", f"{rest}\n", "/sys/fs/cgroup/cgroup.controllers")


def _read(path: str) -> str:
    return attempt("cat", path).stdout


def _overlay(leader: int, name: str, content: str, target: str) -> None:
    """Mount a file with that content over `target`, in the node's own view alone."""
    script = (
        f"mkdir -p {_DIRECTORY} && cat >{_DIRECTORY}/{name} && "
        f"mount --bind {_DIRECTORY}/{name} {target}"
    )
    enter = ("nsenter", "-t", str(leader), "-m", "--")
    done = attempt(*enter, "/bin/sh", "-c", script, stdin=content)
    if done.returncode != 0:
        print(f"firmware: {target}: {done.stderr.strip()}", flush=True)
