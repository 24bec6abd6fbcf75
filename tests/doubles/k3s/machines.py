"""Runs the stand-in as processes on this machine, each with a directory and a loopback address."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_REPOSITORY = Path(__file__).parents[3]
HASTE = "2"
"""How many times faster than in the lab they live: there is little else for them to do here."""
CGROUPS = "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t100\t{}\n"


def eventually(look: Callable[[], T], timeout: float = 20.0) -> T:
    """Look again and again until it is true; a failing look counts as false."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            found = look()
        except Exception:
            if time.monotonic() > deadline:
                raise
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s")
        time.sleep(0.1)


def loopback_net() -> str:
    """Return three parts of an address that no other test uses."""
    return f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250) + 1}"


@dataclass
class Machine:
    """One node: its root directory, its address, and its K3s process if it runs."""

    root: Path
    name: str
    ip: str
    role: str = "server"
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def configure(self, options: Mapping[str, object]) -> None:
        """Write config.yaml."""
        lines = [f"node-name: {self.name}", f"node-ip: {self.ip}"]
        for name, value in options.items():
            if isinstance(value, list):
                lines += [f"{name}:", *(f"- {item}" for item in value)]
            else:
                lines.append(f"{name}: {str(value).lower() if value is True else value}")
        path = self.root / "etc/rancher/k3s/config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        self.cgroups(1)

    def cgroups(self, enabled: int) -> None:
        """Say whether the memory cgroup is enabled."""
        (self.root / "proc").mkdir(parents=True, exist_ok=True)
        (self.root / "proc/cgroups").write_text(CGROUPS.format(enabled))
        v2 = self.root / "sys/fs/cgroup/cgroup.controllers"
        v2.parent.mkdir(parents=True, exist_ok=True)
        v2.write_text("cpu memory\n" if enabled else "cpu\n")

    def start(self) -> Machine:
        """Start K3s."""
        environment = self._environment()
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.doubles.k3s", self.role],
                cwd=_REPOSITORY,
                env=environment,
                stderr=log,
            )
        return self

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End K3s; by default as if the power had gone."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `k3s` command on the node."""
        environment = self._environment()
        return subprocess.run(
            [sys.executable, "-m", "tests.doubles.k3s", *arguments],
            cwd=_REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def url(self) -> str:
        """Return the API of this node."""
        return f"https://{self.ip}:6443"

    @property
    def log(self) -> str:
        """Return everything it logged."""
        path = self.root / "log"
        return path.read_text() if path.exists() else ""

    def _environment(self) -> dict[str, str]:
        own = {"STANDIN_ROOT": str(self.root), "STANDIN_BIND": self.ip, "STANDIN_HASTE": HASTE}
        return os.environ | own

    def file(self, path: str) -> Path:
        """Return a file of the node."""
        return self.root / path.lstrip("/")
