"""A test double for the node that builds: Docker and Git as answers, and what they were told."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.steps.registry.registry_double import Store

from picluster.engine.session import Completed, OnOutput, Traffic

COMMIT = "c" * 40
_TOLD = ("docker", "git", "rm", "mkdir", "tar", "export")


@dataclass
class BuilderDouble:
    """A connector to one node. What is pushed is in the registry from then on.

    `images` are Docker's, by reference; `files` those of the clone, once it was fetched. A script
    with one of the words of `fails` ends with status 1, having said this.
    """

    store: Store
    images: dict[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    listed: str = f"{COMMIT}\trefs/heads/v1\n"
    fails: Mapping[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    uploaded: list[str] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    node: str = "pi4"
    _fetched: bool = False

    def connect(self, node: str) -> Any:
        assert node == self.node
        return self

    @property
    def port(self) -> int:
        return self.store.port

    def forward(self, host: str, port: int) -> BuilderDouble:
        return self

    def close(self) -> None:
        pass

    def upload(self, source: Path, path: str, **_: object) -> None:
        self.uploaded.append(path)

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        for word, said in self.fails.items():
            if word in script:
                if on_output is not None:
                    on_output("stdout", f"{said}\n".encode())
                return Completed(1, b"", said.encode())
        if "image inspect" in script:
            known = (f"{name} {id_}" for name, id_ in self.images.items() if f" {name} " in script)
            return Completed(0, "\n".join(known).encode(), b"")
        if " ls-remote " in script:
            return Completed(0, self.listed.encode(), b"")
        if " show " in script:
            path = shlex.split(script)[4].partition(":")[2]
            found = self.files.get(path) if self._fetched else None
            return Completed(int(found is None), (found or "").encode(), b"")
        if on_output is not None:
            on_output("stdout", b"#4 [1/1] FROM debian:12\npicluster: it takes a while\n")
        for line in script.splitlines():
            self._told(line)
        return Completed(0, b"", b"")

    def _told(self, line: str) -> None:
        words = line.split()
        if not words or words[0] not in _TOLD or "DOCKER_BUILDKIT=1" in words:
            return
        self.told.append(line)
        match words:
            case ["docker", "pull" | "tag", *_, image]:
                self.images[image] = f"sha256:{image}"
            case ["git", *_] if "checkout" in words:
                self._fetched = True
            case ["docker", "push", "--", name]:
                repository, _, tag = name.partition("/")[2].rpartition(":")
                self.store.manifests[repository, tag] = b"{}"
