"""Acting inside a node without its network, as somebody with a keyboard on it would."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from picluster.errors import StepFailed
from picluster.lab.commands import attempt
from picluster.lab.layout import LabNode
from picluster.lab.supervise import leader

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_inside(
    node: LabNode, script: str, seconds: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell script as root on the node. Raises `StepFailed` if the node is off, or going.

    A node that shuts down waits for its last process: one that comes in from outside would hold it.
    What is still there after these `seconds` is killed, and its status is 137.
    """
    first = leader(node)
    if first is None or _is_shutting_down(first):
        raise StepFailed(f"{node.name} is off", fix=f"picluster lab mend {node.name}")
    enter = ("nsenter", "-t", str(first), "-m", "-u", "-i", "-n", "-p", "--")
    clean = ("env", "-i", f"PATH={_PATH}", "HOME=/root", "LC_ALL=C")
    limit = ("timeout", "-s", "KILL", str(seconds)) if seconds else ()
    return attempt(*limit, *enter, *clean, "/bin/sh", "-c", script)


def _is_shutting_down(first: int) -> bool:
    """Whether the node's first process is the one that systemd leaves the end to."""
    try:
        return Path(f"/proc/{first}/comm").read_text().startswith("systemd-shutdow")
    except OSError:
        return True


def processes(node: LabNode) -> list[int]:
    """Return every process of the node, as this computer numbers them, parents first."""
    first = leader(node)
    if first is None:
        return []
    found = [first]
    for pid in found:
        found += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return children


def send(node: LabNode, number: signal.Signals) -> None:
    """Send a signal to every process of the node."""
    for pid in processes(node):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
