"""A fault to try, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class Outcome(IntEnum):
    """What came of a fault; also the exit code of the process that tried it."""

    SURVIVED = 0
    NOTICED = 1
    INVALID = 3
    """Python does not import the module with it: every run would fail, which shows nothing."""
    COLD = 4
    """It changes what the module does when it is imported: to be tried before the import."""
    BROKEN = 70
    """It could not be tried."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to try: the module's file and its faulty source, and the tests to run."""

    module: Path
    line: int
    what: str
    source: str
    tests: tuple[str, ...]
    seconds: float
    """How long the tests take without it."""
    at_import: bool
    """Whether its line also runs when modules are imported."""

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.what}"

    @property
    def name(self) -> str:
        """The module's name in Python."""
        return ".".join(self.module.with_suffix("").parts[1:]).removesuffix(".__init__")
