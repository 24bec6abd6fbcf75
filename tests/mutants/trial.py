"""Tries faults, each in a forked process of its own that runs the tests which reach it.

A fork takes milliseconds where the process that it comes from has imported and collected
everything (`tests.mutants.warm`). A fault in what a module does when it is imported needs a process
that has imported nothing of picluster yet: that is the cold way.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType

from tests.mutants.fault import Fault, Outcome

_HEAVY = ("hypothesis", "pydantic", "typer", "rich.live", "yaml", "fabric", "paramiko", "docker")
_IDLE_SECONDS = 20.0
_LOADED = (*_HEAVY, "pytest", "_pytest.assertion.rewrite")
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=mutants")

Attempt = Callable[[Fault], Outcome]


def load_heavy() -> None:
    """Import what takes long and is not of picluster, for all forks together."""
    for name in _LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def tried(faults: Iterable[Fault], attempt: Attempt, width: int) -> Iterator[tuple[Fault, Outcome]]:
    """Try every fault in a process of its own, `width` at a time; yield what came of each.

    A fault that keeps its tests busy for much longer than they take without it is noticed: by the
    processor's time, or by the clock where they only wait, as far as others leave them time. One
    that has them do nothing at all is noticed sooner: they would wait for ever.
    """
    running: dict[int, _Running] = {}
    waiting = iter(faults)
    exhausted = False
    while running or not exhausted:
        while not exhausted and len(running) < width:
            fault = next(waiting, None)
            if fault is None:
                exhausted = True
            elif not fault.tests:
                yield fault, Outcome.SURVIVED
            else:
                started = _start(fault, attempt)
                running[started.pid] = started
        yield from _ended(running)
        time.sleep(0.005)


@dataclass(slots=True)
class _Running:
    pid: int
    fault: Fault
    deadline: float
    scratch: str
    crowd: float
    spent: str = ""
    """Its processor's time when that last changed, at `moved`."""
    moved: float = field(default_factory=time.monotonic)

    @property
    def late(self) -> bool:
        """Whether it has been busy for too long, or idle."""
        now = time.monotonic()
        if now - self.moved > 1:
            with contextlib.suppress(OSError):
                spent = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:15]
                if (text := " ".join(spent)) != self.spent:
                    self.spent, self.moved = text, now
        return now > self.deadline or now - self.moved > _IDLE_SECONDS * self.crowd


def _start(fault: Fault, attempt: Attempt) -> _Running:
    scratch = tempfile.mkdtemp(prefix="mutant-")
    limit = int(15 + 6 * fault.seconds)
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        os.environ |= {"PYTEST_DEBUG_TEMPROOT": scratch, "TMPDIR": scratch}
        tempfile.tempdir = scratch
        code: int = Outcome.BROKEN
        try:
            code = attempt(fault)
        finally:
            os._exit(code)
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return _Running(pid, fault, time.monotonic() + limit * crowd, scratch, min(crowd, 3))


def _ended(running: dict[int, _Running]) -> Iterator[tuple[Fault, Outcome]]:
    for pid, each in list(running.items()):
        if each.late:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            del running[pid]
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # what its tests left behind
            shutil.rmtree(each.scratch, ignore_errors=True)
            yield each.fault, _outcome(status)


def _outcome(status: int) -> Outcome:
    code = os.waitstatus_to_exitcode(status)
    if code == Outcome.BROKEN:
        raise RuntimeError("a fault could not be tried: the tool is at fault")
    return Outcome(code) if code in set(Outcome) else Outcome.NOTICED


def cold(root: Path) -> Attempt:
    """Return the attempt that imports the faulty module; nothing of picluster may be imported."""

    def attempt(fault: Fault) -> Outcome:
        import pytest  # noqa: PLC0415  # loaded before the fork

        silence()
        os.chdir(root)
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, _Finder(fault.name, str(root / fault.module), fault.source))
        try:
            importlib.import_module(fault.name)
        except BaseException:  # whatever it is: the fault is none that could be run
            return Outcome.INVALID
        for tests in _by_file(fault.tests):
            code = pytest.main([*PYTEST, *tests])
            if code != pytest.ExitCode.OK:
                noticed = code in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
                return Outcome.NOTICED if noticed else Outcome.INVALID
        return Outcome.SURVIVED

    return attempt


def _by_file(tests: Sequence[str]) -> Iterator[list[str]]:
    """Yield the tests of the first file, of the next three, and of all others.

    To import tests takes longer than to run them, and the nearest come first.
    """
    files = list(dict.fromkeys(test.split("::")[0] for test in tests))
    for some in (files[:1], files[1:4], files[4:]):
        if some:
            yield [test for test in tests if test.split("::")[0] in some]


def silence() -> None:
    """Let this process say nothing and hear nothing."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


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
