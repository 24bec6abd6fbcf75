"""Runs `picluster` as users do: a process of its own, with a home of its own."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.cli.warm import Warm

Picluster = Callable[..., subprocess.CompletedProcess[str]]


_OUTSIDE = {"CI", "NO_COLOR", "FORCE_COLOR", "PICLUSTER_FILE", "SSH_AUTH_SOCK"}


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """A process that has imported picluster, to run it from."""
    process = Warm({key: value for key, value in os.environ.items() if key not in _OUTSIDE})
    yield process
    process.close()


@pytest.fixture
def picluster(tmp_path: Path, warm: Warm) -> Picluster:
    """Run the command in `tmp_path`, with nobody at its streams."""
    inherited = {key: value for key, value in os.environ.items() if key not in _OUTSIDE}
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    home |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_CONFIG_HOME": str(tmp_path / "config")}

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return warm.run(arguments, inherited | home | environment, tmp_path)

    return run


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Reserve a port on which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def dead_node(tmp_path: Path, closed_port: int) -> Path:
    """Write a cluster file whose only node refuses connections."""
    path = tmp_path / "cluster.yaml"
    path.write_text(
        "name: home\n"
        "nodes:\n"
        "  - name: pi1\n"
        "    address: 127.0.0.1\n"
        "    role: server\n"
        "    ssh:\n"
        f"      port: {closed_port}\n"
        "      user: pi\n"
    )
    return path
