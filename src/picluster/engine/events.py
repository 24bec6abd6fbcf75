"""What happens during a run, as data. Sinks (screen, journal, JSON) are callables over these.

Every event is a frozen dataclass whose fields are plain data, so that `to_record` makes one JSON
object of it. The field names are a public format: add fields, never rename them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["ok", "changed", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, and when (seconds since the epoch)."""

    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A command that works on the cluster has begun."""

    command: str
    cluster: str
    targets: tuple[str, ...]
    phases: tuple[str, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Event):
    """A node let us in."""

    target: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(Event):
    """A phase has begun on these targets."""

    phase: str
    title: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A change has begun on a target: it is made of these `actions`, in words."""

    phase: str
    target: str
    step: str
    title: str
    summary: str
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(Event):
    """A running change says where it is: what it waits for, or how that is.

    A `passing` one is a line of output, or a count: it is worth seeing while it lasts.
    """

    phase: str
    target: str
    step: str
    state: str
    passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step has been judged or applied. `detail` is a summary, a warning or the failure."""

    phase: str
    target: str
    step: str
    title: str
    outcome: Outcome
    detail: str = ""
    warning: str = ""
    seconds: float = 0.0
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningSettled(Event):
    """What a step warned of is different at the end; `warning` is empty if its cause is gone."""

    phase: str
    target: str
    step: str
    warning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Event):
    """Raw output of a change, cleaned of secrets; for the journal."""

    phase: str
    target: str
    step: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFailed(Event):
    """A target stops here, or something on it is left as it is: what happened, why, what to do.

    `alarm` says that somebody may be in the middle: a host key is not the one that is known.
    """

    phase: str
    target: str
    what: str
    why: str = ""
    fix: str = ""
    evidence: str = ""
    exit_code: int = 1
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFinished(Event):
    """A phase is over: `outcome` is of the targets but those that are `missing`, or were lost."""

    phase: str
    seconds: float
    outcome: Outcome
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged(Event):
    """A `script` or an `upload` on a node is over, after so many seconds, and what it cost.

    `forks` are processes and threads that began on the node meanwhile, whoever made them;
    `cpu_seconds` the CPU time of the script alone, in steps of a hundredth.
    """

    target: str
    kind: str
    seconds: float
    bytes_sent: int
    bytes_received: int
    forks: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTally(Event):
    """How a target fared over the whole run, in steps, and what that cost it (see `Exchanged`)."""

    target: str
    ok: int
    changed: int
    failed: int
    skipped: int
    seconds: float
    scripts: int = 0
    forks: int = 0
    cpu_seconds: float = 0.0
    bytes_sent: int = 0
    bytes_received: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The recap: a tally for each target, the exit code the command ends with, and what it cost.

    Bytes are those of scripts and files to the nodes and of what they print, without SSH's own.
    """

    tallies: tuple[TargetTally, ...]
    exit_code: int
    seconds: float
    connections: int
    scripts: int
    bytes_sent: int = 0
    bytes_received: int = 0
    forks: int = 0
    cpu_seconds: float = 0.0
    next_command: str = ""


Emit: TypeAlias = Callable[[Event], None]


def to_record(event: Event) -> dict[str, object]:
    """Return the event as one JSON-ready object; `event` holds its class name."""
    said = {each.name: _plain(getattr(event, each.name)) for each in fields(event)}
    return {"event": type(event).__name__, **said}


def _plain(value: object) -> object:
    """Return what JSON knows; only events in a tuple are none of that (`asdict` copies it all)."""
    if isinstance(value, tuple):
        return tuple(asdict(each) if isinstance(each, Event) else each for each in value)
    return value
