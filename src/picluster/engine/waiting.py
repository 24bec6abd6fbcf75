"""Waiting for an observed condition, telling meanwhile what is observed.

Every wait of picluster goes through `wait_until`: what is waited for and its observed state are
told from the first look on, causes that waiting does not cure end it early, and the user can stop
it. A judge is a pure function from what was observed to a verdict, so what counts as done, and as
hopeless, can be tested without waiting for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from picluster.engine.probe import Observation, ShellProbe
from picluster.errors import PiclusterError, Unavailable, Unreachable, Unreadable, WaitFailed
from picluster.secret import redact

if TYPE_CHECKING:
    from picluster.engine.place import Place, Progress
    from picluster.engine.session import Completed

Seen = TypeVar("Seen")
Facts = TypeVar("Facts")

PATIENCE_SECONDS = 30.0
"""How long a trouble that waiting does not cure has to be seen: what is watched also recovers."""

_LOOK_SECONDS = 30.0
_LOST_SECONDS = 120.0
"""How long a node may be away in the middle of a wait: it may be restarting."""


@dataclass(frozen=True, slots=True)
class Done:
    """It is as wanted."""

    state: str = ""


@dataclass(frozen=True, slots=True)
class Lasting:
    """Something that keeps it from happening and that waiting does not cure.

    The wait ends once it has been seen for `patience` seconds without a break; one of infinite
    patience only explains a wait that ran out. `kind` says which
    trouble it is, whatever its words: an image that cannot be pulled is told of in two ways by
    turns (`ErrImagePull`, `ImagePullBackOff`), and is one trouble.
    """

    kind: str
    why: str
    fix: str = ""
    patience: float = PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet; `state` is what is observed, in a few words: `2 of 3 nodes Ready`."""

    state: str
    troubles: Sequence[Lasting] = ()


@dataclass(frozen=True, slots=True)
class Hopeless:
    """It will not become so by waiting longer."""

    why: str
    fix: str = ""


Verdict: TypeAlias = Done | Waiting | Hopeless


def wait_until(
    what: str,
    observe: Callable[[], Seen],
    judge: Callable[[Seen], Verdict],
    *,
    timeout: float,
    progress: Progress,
    interval: float = 2.0,
    where: str = "",
    fix: str = "",
    evidence: Callable[[], str] | None = None,
) -> Seen:
    """Observe every `interval` seconds until the judge says `Done`; return that observation.

    `what` is how a failure begins: `the workloads do not run`. It looks at least once, and once
    more when `timeout` seconds are over; one observation should take seconds, for the state that is
    told is the last one seen. What cannot be observed right now (`Unavailable`, `Unreadable`)
    counts as waiting, for the API restarts with the servers. `evidence` is asked, once, for what to
    quote in a failure, such as events.

    Raises `WaitFailed` at the time limit or when there is no hope, `Unreachable` when the node
    that is asked stays away, whatever else `observe` raises, and `Interrupted` when the user stops
    the run.
    """
    deadline = progress.clock() + timeout
    patience = _Patience(progress.clock)
    reported = ""

    def failure(how: str, why: str, its_fix: str) -> WaitFailed:
        quoted = _quoted(evidence) if evidence else ""
        return WaitFailed(
            f"{what}: {how}", where=where, why=why, fix=its_fix or fix, evidence=quoted
        )

    while True:
        late = progress.clock() >= deadline
        verdict, seen = _look(observe, judge, patience)
        if isinstance(verdict, Done):
            assert seen is not None  # noqa: S101  # done means that it was observed
            return seen[0]
        if isinstance(verdict, Waiting):
            verdict = patience.judge(verdict)
        if isinstance(verdict, Hopeless):
            raise failure("waiting longer is in vain", verdict.why, verdict.fix)
        if late:
            raise failure(f"not within {timeout:.0f} s", *_last_seen(verdict))
        if verdict.state != reported:
            progress.report(verdict.state)
            reported = verdict.state
        progress.sleep(max(0.0, min(interval, deadline - progress.clock())))


@dataclass(frozen=True, slots=True)
class Wait(Generic[Facts]):
    """Look at a node until it shows what is wanted: an action, for what a command only begins.

    `what` is how a failure begins, `evidence` shell whose output it quotes. `timeout` and
    `interval` are in seconds.
    """

    title: str
    what: str
    look: ShellProbe[Facts]
    judge: Callable[[Facts], Verdict] = field(repr=False)
    timeout: float
    fix: str = ""
    evidence: str = ""
    interval: float = 1.0

    def perform(self, place: Place) -> None:
        """Wait. Raises what `wait_until` does."""

        def run(script: str) -> Completed:
            return place.sessions.read(place.target, script, timeout=_LOOK_SECONDS)

        def quoted() -> str:
            said = run(self.evidence)
            return redact(f"{said.text}{said.errors}".strip())

        wait_until(
            self.what,
            lambda: self.look.parse(_observed(run(self.look.text))),
            self.judge,
            timeout=self.timeout,
            progress=place.progress,
            interval=self.interval,
            where=place.target,
            fix=self.fix,
            evidence=quoted if self.evidence else None,
        )


def _observed(done: Completed) -> Observation:
    return Observation(done.status, done.text, done.err.decode("utf-8", "replace"))


@dataclass(slots=True)
class _Patience:
    """Remembers since when which troubles have been seen without a break."""

    clock: Callable[[], float]
    troubles: Sequence[Lasting] = ()
    _since: dict[str, float] = field(default_factory=dict)

    def judge(self, verdict: Waiting) -> Waiting | Hopeless:
        """Turn into `Hopeless` what has lasted too long."""
        now = self.clock()
        self.troubles = verdict.troubles
        self._since = {each.kind: self._since.get(each.kind, now) for each in self.troubles}
        for each in self.troubles:
            if now - self._since[each.kind] >= each.patience:
                return Hopeless(each.why, each.fix)
        return verdict


def _look(
    observe: Callable[[], Seen], judge: Callable[[Seen], Verdict], patience: _Patience
) -> tuple[Verdict, tuple[Seen] | None]:
    """Judge one observation; where there is none, the troubles of the one before still count."""
    try:
        seen = observe()
    except Unavailable as away:
        return Waiting(away.state, patience.troubles), None
    except Unreadable as nonsense:  # half an answer of a node that is just starting, for one
        return Waiting(f"its answer makes no sense: {nonsense.what}", patience.troubles), None
    except Unreachable as lost:
        gone = Waiting(_in_one_line(lost), (Lasting("away", lost.what, patience=_LOST_SECONDS),))
        if isinstance(patience.judge(gone), Hopeless):
            raise
        return gone, None
    return judge(seen), (seen,)


def _last_seen(verdict: Waiting) -> tuple[str, str]:
    """Return why a wait ran out, and the fix of what it names."""
    why = f"last seen: {verdict.state}"
    if not verdict.troubles:
        return why, ""
    likely = verdict.troubles[0]
    return f"{why}; {likely.why}" if likely.why not in why else why, likely.fix


def _in_one_line(lost: Unreachable) -> str:
    told = f"{lost.where}: {lost.what}" if lost.where else lost.what
    return f"{told}: {lost.why}" if lost.why else told


def _quoted(evidence: Callable[[], str]) -> str:
    """Return the evidence; what keeps it from being had must not hide the failure."""
    try:
        return evidence()
    except PiclusterError as error:
        return f"(what else there is to see could not be read: {error.what})"
