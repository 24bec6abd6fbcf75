"""Test doubles for a node's programs: a script runs here with these in front of the real ones."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def run_with(tools: Path, script: str, **doubles: str) -> subprocess.CompletedProcess[str]:
    """Run a script with `set -e`, as nodes do; `systemd_run="exit 1"` is what `systemd-run` does.

    The doubles are left in `tools`. Those whose text is empty do nothing, and succeed.
    """
    tools.mkdir(exist_ok=True)
    for name, body in doubles.items():
        path = tools / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{body}")
        path.chmod(0o755)
    return subprocess.run(
        ["sh", "-e", "-c", script],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "LC_ALL": "C", "SUDO_USER": "pi"},
        capture_output=True,
        text=True,
        check=False,
    )


def lay(tree: Path, files: Mapping[str, str]) -> None:
    """Make files of a node: texts by path. Those below `sbin` are programs."""
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if path.parent.name == "sbin" else 0o644)
