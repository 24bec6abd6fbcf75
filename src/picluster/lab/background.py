"""Processes that outlive the command that started them, recorded so that they can be ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from picluster.lab.waiting import becomes

_STOP_SECONDS = 30.0

Process = list[int]
"""A process number and its start time: numbers alone are used again."""


def start(module: str, *arguments: str, log: Path) -> Process:
    """Run a module of picluster in the background, with its output in `log`."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    return identify(started.pid)


def identify(pid: int) -> Process:
    """Return what tells a living process from a later one with its number; empty if it is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else [pid, int(fields[19])]


def record(path: Path, **processes: Process) -> None:
    """Write down which processes these are."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(processes))
    part.replace(path)


def recorded(path: Path, name: str) -> int | None:
    """Return the number of a recorded process, if it is alive and still that very one."""
    try:
        process = json.loads(path.read_text())[name]
    except (OSError, ValueError, KeyError):
        return None
    return int(process[0]) if process and identify(int(process[0])) == process else None


def end(pid: int, number: signal.Signals = signal.SIGTERM) -> bool:
    """Signal a process and wait until it is gone; say whether it went."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    return becomes(lambda: not identify(pid), _STOP_SECONDS)
