"""Lab nodes for the benchmarks, in a home of their own: nothing of the user's is touched."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.doubles.k3s.build import build

from benchmarks.measure import run
from picluster.lab import faults, rehearsal
from picluster.lab.layout import LabLayout, trees_directory


@dataclass(frozen=True)
class Nodes:
    """A lab that is up, and the cluster file that names its nodes."""

    lab: LabLayout
    file: Path

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.lab.nodes]

    @property
    def known_hosts(self) -> Path:
        return Path(os.environ["XDG_STATE_HOME"], "picluster", self.lab.name, "known_hosts")

    def picluster(self, *arguments: str) -> str:
        """Run a command with `--json` and return what it says it spent."""
        command = [
            sys.executable,
            "-m",
            "picluster",
            *arguments,
            "--json",
            "--file",
            str(self.file),
        ]
        last = json.loads(run(command).stdout.splitlines()[-1])
        changed = sum(tally["changed"] for tally in last["tallies"])
        return f"{last['connections']} connections, {last['scripts']} scripts, {changed} changes"

    def reflash(self) -> None:
        """Give every node a fresh card."""
        for node in self.lab.nodes:
            faults.reflash(self.lab, node)
        for node in self.lab.nodes:
            rehearsal.wait_until_booted(node, lambda line: None)
        rehearsal.trust(self.lab, self.lab.nodes)


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
def booted(count: int, home: Path) -> Iterator[Nodes]:
    """Boot nodes with the K3s stand-in at hand; they are gone afterwards."""
    name = f"bench{count}"
    artifacts = home / "artifacts"
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
