"""A test double for nodes: each is a directory on this machine, and scripts run in a local `sh`.

Nothing is faked about the scripts themselves; only the network is missing. Faults can be set:
`refuse` makes a node unreachable, `drop_after` loses its connection at its n-th script.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from picluster.engine.session import Completed, OnOutput, Traffic
from picluster.errors import NodeError, Unreachable


class NoForward:
    """This double cannot forward ports; whoever needs that wants a lab node."""

    port = 0

    def close(self) -> None:
        """There is nothing to close."""


@dataclass(slots=True)
class ShellSession:
    """Runs scripts in the node's directory, which they see as `$NODE_ROOT`."""

    node: str
    nodes: ShellNodes
    closed: bool = False

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        self.nodes.before_script(self.node)
        self.nodes.traffic.add(bytes_sent=len(script.encode()))
        done = subprocess.run(
            ["sh", "-s"],
            input=script.encode(),
            cwd=self.nodes.root(self.node),
            env={"PATH": f"{self.nodes.programs}/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
            | {"NODE_ROOT": str(self.nodes.root(self.node))},
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        self.nodes.traffic.add(bytes_received=len(done.stdout) + len(done.stderr))
        if on_output is not None:
            on_output("stdout", done.stdout)
            on_output("stderr", done.stderr)
        return Completed(done.returncode, done.stdout, done.stderr)

    def upload(
        self, source: Path, path: str, *, sha256: str, mode: int, owner: str, timeout: float
    ) -> None:
        self.nodes.traffic.uploads += 1
        target = self.nodes.root(self.node) / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(mode)

    def forward(self, host: str, port: int) -> NoForward:
        raise Unreachable("this double forwards no ports", where=self.node)

    def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class ShellNodes:
    """A connector to directories below `base`, one per node."""

    base: Path
    traffic: Traffic = field(default_factory=Traffic)
    refuse: dict[str, NodeError] = field(default_factory=dict)
    drop_after: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, int] = field(default_factory=dict)
    tools: Path | None = None
    """A directory of programs that stand in front of this machine's own."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def programs(self) -> str:
        return f"{self.tools}:" if self.tools else ""

    def root(self, node: str) -> Path:
        path = self.base / node
        path.mkdir(parents=True, exist_ok=True)
        return path

    def connect(self, node: str) -> ShellSession:
        if node in self.refuse:
            raise self.refuse[node]
        with self._lock:
            self.traffic.connections += 1
        return ShellSession(node, self)

    def before_script(self, node: str) -> None:
        with self._lock:
            self.traffic.scripts += 1
            self.scripts[node] = self.scripts.get(node, 0) + 1
            if self.drop_after.get(node) == self.scripts[node]:
                raise Unreachable("the connection was lost", where=node)
