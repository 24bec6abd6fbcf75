"""A step: one thing that should be true of one target, and how to make it true.

A step never talks to a node. It names a probe (what to look at), judges what the probe saw (a
pure function), and describes what to do as data. The engine owns connections, batching, order,
retries and events; so `plan`, `diff`, `--dry-run` and `up` run the very same code.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from picluster.causes.cause import Cause
from picluster.engine.probe import LiveProbe, Observation, ShellProbe
from picluster.secret import Secret

if TYPE_CHECKING:
    from picluster.engine.place import Place
    from picluster.engine.survey import Look


# ------------------------------------------------------------------ looking


Probe: TypeAlias = ShellProbe[Any] | LiveProbe[Any]


# ------------------------------------------------------------------ judging


class Risk(enum.IntEnum):
    """What a change can cost while it happens, from harmless to irreversible."""

    NONE = 0
    RESTART = 1
    DRAIN = 2
    REBOOT = 3
    DATA_LOSS = 4


@dataclass(frozen=True, slots=True)
class Diff:
    """Text before and after. Secret content is never put here: leave the diff out instead."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Satisfied:
    """Nothing to do. A warning is shown to the user and fails nothing."""

    detail: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Blocked:
    """It must not, or cannot, be made so: refused before anything on this target is changed.

    `missing` are the nodes whose absence is the reason. A node that was not seen is not an empty
    one: what hangs on it is left alone until it is back.
    """

    reason: str
    fix: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What will be done and why.

    The actions may simply run again when the connection is lost half-way, as those of an idempotent
    step may; `retry_safe=False` is for shell that must not.
    `once` is for what was asked for, such as a restart, and nothing on the target tells that it was
    done: a run does it once, and does not ask the step again.
    """

    summary: str
    actions: tuple[Action, ...]
    reason: str = ""
    diff: Diff | None = None
    risk: Risk = Risk.NONE
    retry_safe: bool = True
    once: bool = False


Decision: TypeAlias = Satisfied | Change | Blocked


# ------------------------------------------------------------------ acting


@dataclass(frozen=True, slots=True)
class Run:
    """Run a POSIX shell script as root with `set -e`; `timeout` in seconds.

    Consecutive `Run` and `WriteFile` actions travel to the node as one script. The text goes over
    stdin, so a secret in it is not visible in `ps` unless a command is given it as an argument.
    `causes` are what its output can mean when it fails.
    """

    script: str
    timeout: float = 300.0
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a small file atomically: a temporary file beside it gets owner and mode, then moves.

    Parent directories are created (0755). `backup` keeps the previous content beside it, once, as
    `<path>.picluster-backup`.
    """

    path: str
    content: str | Secret
    mode: int = 0o644
    owner: str = "root:root"
    backup: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """Stream a local file to the node, atomically, verified by `sha256` before it moves."""

    source: Path
    path: str
    sha256: str
    mode: int = 0o644
    owner: str = "root:root"
    timeout: float = 1800.0


@dataclass(frozen=True, slots=True)
class Reboot:
    """Reboot the node and wait, at most `timeout` seconds, until it is back with a new boot id."""

    timeout: float = 600.0


@runtime_checkable
class Act(Protocol):
    """An action that is not a shell on the node: frozen data, and the one way to carry it out.

    Two that are equal do the same: a test, a plan or a journal can compare and show them.
    """

    @property
    def title(self) -> str:
        """Say what is being done, as a first line of progress: `draining pi1`."""

    def perform(self, place: Place) -> None:
        """Do it, or raise a `PiclusterError`."""


Action: TypeAlias = Run | WriteFile | Upload | Reboot | Act


def told_of(action: Action) -> str:
    """Say in a few words what an action does; a script by its length, as it may hold a secret."""
    match action:
        case Run(script=script):
            lines = len(script.strip().splitlines())
            return f"run {lines} line{'' if lines == 1 else 's'} of shell"
        case WriteFile(path=path, mode=mode, owner=owner):
            return f"write {path} ({mode:o} {owner})"
        case Upload(source=source, path=path):
            return f"send {source.name} to {path}"
        case Reboot():
            return "reboot"
        case Act() as act:
            return act.title


# ------------------------------------------------------------------ the step


@runtime_checkable
class Step(Protocol):
    """One idempotent unit of work on one target; usually a frozen dataclass."""

    @property
    def name(self) -> str:
        """Identify the step within its phase and target, such as `hosts-file`."""

    @property
    def title(self) -> str:
        """State what is true once it is satisfied: `/etc/hosts names every node`."""

    def probe(self) -> Probe | None:
        """Say what to look at, or None if other steps' observations are enough."""

    def decide(self, look: Look) -> Decision:
        """Judge what was seen. Pure: no I/O, no clock, the same answer for the same look."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A probe that other steps' decisions lean on; by itself it is always satisfied."""

    name: str
    title: str
    script: Probe

    def probe(self) -> Probe:
        """Look, and leave the judging to others."""
        return self.script

    def decide(self, look: Look) -> Decision:
        """There is nothing to want here."""
        return Satisfied()


class Inferred:
    """The part of a step that looks at nothing itself: what others see, or the file, is enough."""

    __slots__ = ()

    def probe(self) -> None:
        """There is nothing more to look at."""


Steps: TypeAlias = Sequence[Step]
__all__ = [
    "Act",
    "Action",
    "Blocked",
    "Change",
    "Decision",
    "Diff",
    "Fact",
    "Inferred",
    "LiveProbe",
    "Observation",
    "Probe",
    "Reboot",
    "Risk",
    "Run",
    "Satisfied",
    "ShellProbe",
    "Step",
    "Steps",
    "Upload",
    "WriteFile",
    "told_of",
]
