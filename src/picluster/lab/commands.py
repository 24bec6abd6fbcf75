"""Running this computer's own programs (ip, mount, nsenter) and telling what went wrong."""

from __future__ import annotations

import subprocess

from picluster.errors import StepFailed


def run(*command: str, stdin: str = "") -> str:
    """Run a program and return its output. Raises `StepFailed` with what it complained about."""
    done = attempt(*command, stdin=stdin)
    if done.returncode != 0:
        raise StepFailed(
            f"`{' '.join(command[:4])}` failed on this computer",
            why=(done.stderr or done.stdout).strip()[-500:],
            fix="it needs root and the programs that `make lab-deps` installs",
        )
    return done.stdout


def attempt(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program whose failure is the caller's to judge."""
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
