"""A test double for one node whose scripts a function answers: what a script does is not tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from picluster.engine.pool import Sessions
from picluster.engine.session import Completed, Forward, OnOutput, Session, Traffic


@dataclass
class NodeAnswers:
    """A connector and its only session. `answer` gets a script, and may raise as a session does."""

    answer: Callable[[str], str]
    node: str = "pi1"
    traffic: Traffic = field(default_factory=Traffic)
    scripts: list[str] = field(default_factory=list)

    @property
    def sessions(self) -> Sessions:
        return Sessions(self)

    def connect(self, node: str) -> Session:
        self.traffic.connections += 1
        return self

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        self.scripts.append(script)
        return Completed(0, self.answer(script).encode(), b"")

    def upload(
        self, source: Path, path: str, *, sha256: str, mode: int, owner: str, timeout: float
    ) -> None:
        raise AssertionError("this double takes no files")

    def forward(self, host: str, port: int) -> Forward:
        raise AssertionError("this double forwards no ports")

    def close(self) -> None:
        """There is nothing to close."""
