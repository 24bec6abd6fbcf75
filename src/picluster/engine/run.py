"""One run over a cluster: what it may touch, who has failed, and how everyone fares."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from picluster.engine.events import Emit, Outcome, StepFinished, TargetFailed, TargetTally
from picluster.engine.observe import Sightings
from picluster.engine.phase import Phase
from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.recollection import Recollection
from picluster.errors import (
    HostKeyChanged,
    Interrupted,
    NodeError,
    NodeNeeded,
    PiclusterError,
    StepFailed,
)


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning as it was given: by which step, and after how many changes of the run."""

    phase: Phase
    sightings: Sightings
    target: str
    step: str
    text: str
    begun: int


@dataclass(slots=True)
class RunState:
    """The state of one run, shared by the threads that work on its targets.

    `take_lock` is called before the first change; it raises `Locked` if another run holds the
    cluster. None means that there is nothing to keep others out of.

    `only` limits which targets are changed: the others are still looked at, because decisions may
    need them, but they may be missing. `absent` are those that are known to be: they are not asked.
    `failures` stop their targets; what is `held` back on a target is left as it is, and the target
    goes on with the rest.
    """

    sessions: Sessions
    emit: Emit
    stop: threading.Event = field(default_factory=threading.Event)
    tools: Tools = field(default_factory=Tools)
    only: Collection[str] | None = None
    absent: frozenset[str] = frozenset()
    look_timeout: float = 120.0
    take_lock: Callable[[], None] | None = None
    failures: dict[str, PiclusterError] = field(default_factory=dict)
    held: list[PiclusterError] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    """When it did, on a clock that nobody sets."""
    begun: int = 0
    """How many changes this run has begun to make."""
    warned: list[Warned] = field(default_factory=list)
    """What steps warned of, in the order in which they did."""
    seen: Recollection = field(default_factory=Recollection)
    """What nodes have said, until this run begins to change something."""
    _counts: dict[str, Counter[Outcome]] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)
    _locked: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)
    # Taking the lock asks a node: those who only count must not wait for that.
    _locking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def unreached(self) -> dict[str, NodeError]:
        """The nodes that could not be connected to, or were lost since, and why."""
        lost = {node: why for node, why in self.failures.items() if isinstance(why, NodeError)}
        return lost | self.sessions.away

    @property
    def missing(self) -> frozenset[str]:
        """The targets that cannot be worked on: away from the start, or lost since."""
        return self.absent | {
            target
            for target, why in self.failures.items()
            if isinstance(why, NodeError) and not isinstance(why, NodeNeeded)
        }

    def in_scope(self, target: str) -> bool:
        """Whether this run was asked to work on the target."""
        return self.only is None or target in self.only

    def may_look_at(self, target: str) -> bool:
        """Whether looking at the target can be of use."""
        if target in self.failures:
            return False
        return self.in_scope(target) or target not in self.absent

    def may_change(self, target: str) -> bool:
        """Whether the target is in scope and nothing has failed on it yet."""
        return self.in_scope(target) and target not in self.failures

    def ensure_lock(self) -> bool:
        """Take the cluster's lock if this run does not hold it; return whether it just did."""
        with self._locking:
            if self._locked or self.take_lock is None:
                return False
            self.take_lock()
            self._locked = True
            self.seen.forget()
            return True

    def renew_lock(self) -> None:
        """Take the lock again if it went with a connection: a reboot ends what holds it."""
        with self._locking:
            if self._locked and self.take_lock is not None:
                self.take_lock()

    def check_stop(self, target: str) -> None:
        """Raise `Interrupted` if the user has asked to stop."""
        if self.stop.is_set():
            raise Interrupted(
                "stopped by the user", where=target, fix="run the same command to go on"
            )

    def begin(self, changes: int) -> None:
        """Put on record that so many changes are about to be made."""
        self.seen.forget()
        with self._guard:
            self.begun += changes

    def record(self) -> str:
        """Say what this run has changed, as a refusal begins."""
        if not self.begun:
            return "nothing was changed"
        return f"refused after {self.begun} change{'' if self.begun == 1 else 's'} of this run"

    def warn(self, warned: Warned) -> None:
        """Remember a warning, to be looked at again once more has been changed."""
        with self._guard:
            self.warned.append(warned)

    def count(self, event: StepFinished) -> None:
        """Add one step's outcome to its target's tally, and tell the sinks."""
        with self._guard:
            self._counts.setdefault(event.target, Counter())[event.outcome] += 1
            self._seconds[event.target] = self._seconds.get(event.target, 0.0) + event.seconds
        self.emit(event)

    def fail(self, phase: str, target: str, error: PiclusterError) -> None:
        """Record why a target stops here, and tell the sinks."""
        with self._guard:
            self.failures.setdefault(target, error)
        self.tell(phase, target, error)

    def hold(self, phase: str, target: str, error: PiclusterError) -> None:
        """Record why something on a target is left as it is; the rest of it goes on."""
        with self._guard:
            self.held.append(error)
        self.tell(phase, target, error)

    def tell(self, phase: str, target: str, error: PiclusterError) -> None:
        """Tell the sinks why something does not go on, without recording it."""
        self.emit(
            TargetFailed(
                phase=phase,
                target=target,
                what=error.what,
                why=error.why,
                fix=error.fix,
                evidence=error.evidence,
                exit_code=error.exit_code,
                alarm=isinstance(error, HostKeyChanged),
            )
        )

    def tallies(self) -> tuple[TargetTally, ...]:
        """How every target fared so far, in steps, and what that cost."""
        with self._guard:
            spent = {target: self.sessions.traffic.of(target) for target in self._counts}
            return tuple(
                TargetTally(
                    target=target,
                    ok=counts["ok"],
                    changed=counts["changed"],
                    failed=counts["failed"],
                    skipped=counts["skipped"],
                    seconds=self._seconds.get(target, 0.0),
                    scripts=spent[target].scripts,
                    forks=spent[target].forks,
                    cpu_seconds=round(spent[target].cpu_seconds, 3),
                    bytes_sent=spent[target].bytes_sent,
                    bytes_received=spent[target].bytes_received,
                )
                for target, counts in self._counts.items()
            )

    def exit_code(self) -> int:
        """The code that the command ends with: 0, or that of what failed or was held back."""
        codes = {error.exit_code for error in (*self.failures.values(), *self.held)}
        for code in (Interrupted.exit_code, StepFailed.exit_code):
            if code in codes:
                return code
        return min(codes, default=0)
