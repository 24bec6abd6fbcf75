"""Nodes for the benchmarks, in a home of their own: nothing of the user's is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.doubles.k3s.build import build

from benchmarks.measure import Work
from picluster.lab import faults, rehearsal
from picluster.lab.layout import LabLayout, trees_directory

_REPOSITORY = Path(__file__).resolve().parents[1]
_LATE_PORT = 2222


@dataclass(frozen=True)
class Nodes:
    """Nodes that answer, and the cluster file that names them."""

    lab: LabLayout
    file: Path
    port: int = 22
    light: bool = False

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.lab.nodes]

    @property
    def login(self) -> tuple[str, str, str]:
        """Return what it takes to log in: key, known hosts, port."""
        return str(self.lab.key), str(self.known_hosts), str(self.port)

    @property
    def known_hosts(self) -> Path:
        return Path(os.environ["XDG_STATE_HOME"], "picluster", self.lab.name, "known_hosts")

    def picluster(self, *arguments: str, right: tuple[int, ...] = (0,)) -> Work:
        """Return a command of picluster that says what it spent."""
        command = (sys.executable, "-m", "picluster", *arguments, "--json", "--file")
        return Work((*command, str(self.file)), right=right, meter=self.meter)

    def module(self, name: str, *arguments: str) -> Work:
        command = (sys.executable, "-m", f"benchmarks.{name}", *arguments)
        return Work(command, meter=self.meter)

    @property
    def meter(self) -> Callable[[], float] | None:
        """Return what tells the CPU time of all nodes so far: logins, scripts, all that runs there.

        Light nodes have no groups of their own to read it from.
        """
        names = [node.name for node in self.lab.nodes]
        return None if self.light else lambda: sum(map(_cpu_seconds, names))

    def reflash(self) -> None:
        """Give every node a fresh card."""
        for node in self.lab.nodes:
            faults.reflash(self.lab, node)
        for node in self.lab.nodes:
            rehearsal.wait_until_booted(node, lambda line: None)
        rehearsal.trust(self.lab, self.lab.nodes)


def _cpu_seconds(name: str) -> float:
    """Return the CPU time of a node's control group, of either version; a light node has none."""
    old = Path("/sys/fs/cgroup/cpuacct/picluster-lab", name, "cpuacct.usage")  # nanoseconds
    if old.exists():
        return int(old.read_text()) / 1e9
    new = Path("/sys/fs/cgroup/picluster-lab", name, "cpu.stat")  # `usage_usec 123`, and more
    return int(new.read_text().split()[1]) / 1e6


@contextmanager
def own_home(home: Path) -> Iterator[None]:
    """Let everything that picluster keeps go to `home`, but for the nodes' Debian, built once."""
    before = dict(os.environ)
    trees = trees_directory()
    trees.mkdir(parents=True, exist_ok=True)
    cache = home / "cache"
    (cache / "picluster").mkdir(parents=True)
    (cache / "picluster" / trees.name).symlink_to(trees)
    for name in ("SSH_AUTH_SOCK", "KUBECONFIG", "PICLUSTER_FILE"):
        os.environ.pop(name, None)
    os.environ.update(HOME=str(home), XDG_STATE_HOME=str(home / "state"), XDG_CACHE_HOME=str(cache))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def booted(count: int, home: Path, artifacts: Path | None = None) -> Iterator[Nodes]:
    """Boot nodes with a K3s stand-in at hand, a small one by default; they are gone afterwards."""
    name = f"bench{count}"
    artifacts = artifacts or home / "artifacts"
    if not artifacts.exists():
        build(artifacts)
    file = home / name / "cluster.yaml"
    servers = 3 if count >= 3 else 1
    try:
        wish = rehearsal.Wish(name, count, servers, artifacts, file)
        yield Nodes(rehearsal.up(wish, lambda line: None), file)
    finally:
        if (home / "state/picluster/labs" / name / "lab.json").exists():
            rehearsal.down(name)


@contextmanager
def far_away(nodes: Nodes, milliseconds: int) -> Iterator[Nodes]:
    """Reach the same nodes by a port at which each answers so much later, there and back."""
    if not milliseconds:
        yield nodes
        return
    with ExitStack() as relays:
        for node in nodes.lab.nodes:
            relays.enter_context(_relay(node.namespace, node.address, milliseconds / 2000))
        text = nodes.file.read_text()
        late = nodes.file.with_name(f"late{milliseconds}.yaml")
        late.write_text(text.replace("  user: pi\n", f"  user: pi\n  port: {_LATE_PORT}\n"))
        pins = nodes.known_hosts
        text = pins.read_text()
        lines = [line.split(" ", 1) for line in text.splitlines()]
        pins.write_text(text + "".join(f"[{host}]:{_LATE_PORT} {key}\n" for host, key in lines))
        try:
            yield replace(nodes, file=late, port=_LATE_PORT)
        finally:
            pins.write_text(text)


@contextmanager
def _relay(namespace: str, address: str, delay: float) -> Iterator[None]:
    inside = ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.doubles.relay"]
    wire = [address, str(_LATE_PORT), "127.0.0.1", "22", str(delay)]
    relay = subprocess.Popen([*inside, *wire], cwd=_REPOSITORY)
    try:
        yield
    finally:
        relay.terminate()
        relay.wait()
