"""One fault, tried: a forked process imports the faulty module and runs the tests that reach it."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

SECONDS = 120.0
"""A fault that keeps its tests busy for longer counts as noticed."""

_HEAVY = ("hypothesis", "pydantic", "typer", "rich.live", "yaml", "fabric", "paramiko", "docker")
_PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to try: the module's file and its faulty source, and the tests to run."""

    module: Path
    line: int
    what: str
    source: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.what}"


class _Faulty(importlib.machinery.SourceFileLoader):
    """Loads a module from the faulty source instead of its file."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec")


@dataclass(slots=True)
class _Finder(importlib.abc.MetaPathFinder):
    module: str
    path: str
    source: str

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.module:
            return None
        loader = _Faulty(fullname, self.path, self.source)
        package = Path(self.path).name == "__init__.py"
        return importlib.util.spec_from_loader(fullname, loader, is_package=package)


def survivors(faults: Iterable[Fault], root: Path, width: int) -> Iterator[tuple[Fault, bool]]:
    """Try every fault, `width` at a time; yield each with whether it survived."""
    for name in (*_HEAVY, "pytest", "_pytest.assertion.rewrite"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    running: dict[int, tuple[Fault, float]] = {}
    waiting = iter(faults)
    exhausted = False
    while running or not exhausted:
        while not exhausted and len(running) < width:
            fault = next(waiting, None)
            if fault is None:
                exhausted = True
            elif not fault.tests:
                yield fault, True
            else:
                running[_fork(fault, root)] = (fault, time.monotonic() + SECONDS)
        yield from _ended(running)
        time.sleep(0.02)


def _ended(running: dict[int, tuple[Fault, float]]) -> Iterator[tuple[Fault, bool]]:
    for pid, (fault, deadline) in list(running.items()):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            del running[pid]
            yield fault, status == 0


def _fork(fault: Fault, root: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    os._exit(_child(fault, root))


def _child(fault: Fault, root: Path) -> int:
    """Return 0 if the tests pass in spite of the fault."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    import pytest  # noqa: PLC0415  # loaded before the fork

    os.chdir(root)
    name = ".".join(fault.module.with_suffix("").parts[1:]).removesuffix(".__init__")
    sys.meta_path.insert(0, _Finder(name, str(root / fault.module), fault.source))
    sys.dont_write_bytecode = True
    return int(pytest.main([*_PYTEST, *_distinct(fault.tests)]))


def _distinct(tests: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(tests))
