"""What a run's events amount to: phases and bars in time, failures, numbers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from picluster.ui.report.flame import Piece, pieces

Event = dict[str, Any]

UNFINISHED = "unfinished"
_SLOWEST = 10
_NO_TIME = 0.05


_NOT_TOLD = {"scripts": 0, "forks": 0, "cpu_seconds": 0.0, "bytes_sent": 0, "bytes_received": 0}
"""What a journal of before does not tell of a target."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A step that changed something, or tried to. Times are seconds since the run began."""

    phase: str
    target: str
    title: str
    summary: str
    outcome: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Span:
    """A phase in time, and who was `missing`. Times are seconds since the run began."""

    name: str
    title: str
    outcome: str
    start: float
    end: float
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a target stopped: what happened, why, what to do, and what was seen."""

    phase: str
    target: str
    what: str
    why: str
    fix: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning of a step that is satisfied all the same, as it is at the end of the run."""

    phase: str
    target: str
    text: str
    step: str = ""


@dataclass(slots=True)
class Story:
    """A run from its first event to its last. `exit_code` is None if it was cut off."""

    command: str = ""
    cluster: str = ""
    began: float = 0.0
    seconds: float = 0.0
    exit_code: int | None = None
    connections: int = 0
    scripts: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    forks: int = 0
    cpu_seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    phases: list[Span] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    tallies: list[Event] = field(default_factory=list)
    pieces: dict[str, list[Piece]] = field(default_factory=dict)
    """What each target's time went to."""

    def lane(self, target: str) -> list[Bar]:
        """Return one target's bars in order of time."""
        return sorted((bar for bar in self.bars if bar.target == target), key=lambda bar: bar.start)

    @property
    def lanes(self) -> list[str]:
        """The targets that have anything, nodes in the order of the file and the cluster last."""
        named = dict.fromkeys([*self.targets, *(bar.target for bar in self.bars)])
        return [target for target in named if self.lane(target) or self.pieces.get(target)]

    def flames(self, target: str, kind: str) -> list[Piece]:
        """Return what of a target's time went to that."""
        return [piece for piece in self.pieces.get(target, ()) if piece.kind == kind]

    @property
    def slowest(self) -> list[Bar]:
        """The steps that took longest, the longest first; what took no time is no news."""
        slow = [bar for bar in self.bars if bar.seconds >= _NO_TIME]
        return sorted(slow, key=lambda bar: -bar.seconds)[:_SLOWEST]


def tell(events: Iterable[Event]) -> Story:
    """Put a run's events together; what was never finished ends with the last event."""
    events = list(events)
    story, begun = Story(pieces=pieces(events)), _Begun()
    last = 0.0
    for event in events:
        last = max(last, float(event.get("at", last)))
        what = _TOLD.get(str(event.get("event", "")))
        if what is not None:
            what(story, begun, event)
    for phase in begun.phases.values():
        story.phases.append(_span(story, phase, UNFINISHED, last))
    for step in begun.steps.values():
        story.bars.append(_bar(story, step, UNFINISHED, last))
    story.seconds = story.seconds or max(0.0, last - story.began)
    return story


@dataclass(slots=True)
class _Begun:
    """What has begun and is not over yet."""

    phases: dict[str, Event] = field(default_factory=dict)
    steps: dict[tuple[str, str, str], Event] = field(default_factory=dict)


def _run_begins(story: Story, begun: _Begun, event: Event) -> None:
    story.command, story.cluster, story.began = event["command"], event["cluster"], event["at"]
    story.notices, story.targets = list(event["notices"]), list(event["targets"])


def _run_ends(story: Story, begun: _Begun, event: Event) -> None:
    story.exit_code, story.seconds = event["exit_code"], event["seconds"]
    story.connections, story.scripts = event["connections"], event["scripts"]
    # A journal of before has none.
    story.bytes_sent = event.get("bytes_sent", 0)
    story.bytes_received = event.get("bytes_received", 0)
    story.forks, story.cpu_seconds = event.get("forks", 0), event.get("cpu_seconds", 0.0)
    story.tallies = [_NOT_TOLD | tally for tally in event["tallies"]]


def _phase_begins(story: Story, begun: _Begun, event: Event) -> None:
    begun.phases[event["phase"]] = event


def _phase_ends(story: Story, begun: _Begun, event: Event) -> None:
    phase = begun.phases.pop(event["phase"], event)
    span = _span(story, phase, event["outcome"], event["at"])
    # A journal of before does not say who was missing.
    story.phases.append(replace(span, missing=tuple(event.get("missing", ()))))


def _step_begins(story: Story, begun: _Begun, event: Event) -> None:
    begun.steps[_key(event)] = event


def _step_ends(story: Story, begun: _Begun, event: Event) -> None:
    """Steps of one script are told together when it ends; `seconds` is what each took itself."""
    if event["warning"]:
        _remark(story, event)
    step = begun.steps.pop(_key(event), None)
    if step is not None:
        end = float(step["at"]) + float(event["seconds"])
        story.bars.append(_bar(story, step, event["outcome"], end))


def _remark(story: Story, event: Event) -> None:
    story.remarks.append(Remark(event["phase"], event["target"], event["warning"], event["step"]))


def _warning_settles(story: Story, begun: _Begun, event: Event) -> None:
    """Forget what a step warned of, but for what it warns of now."""
    kept = [each for each in story.remarks if (each.phase, each.target, each.step) != _key(event)]
    story.remarks[:] = kept
    if event["warning"]:
        _remark(story, event)


def _target_fails(story: Story, begun: _Begun, event: Event) -> None:
    texts = (str(event.get(key, "")) for key in ("what", "why", "fix", "evidence"))
    story.failures.append(Failure(event["phase"], event["target"], *texts))


_TOLD: dict[str, Callable[[Story, _Begun, Event], None]] = {
    "RunStarted": _run_begins,
    "PhaseStarted": _phase_begins,
    "StepStarted": _step_begins,
    "StepFinished": _step_ends,
    "WarningSettled": _warning_settles,
    "TargetFailed": _target_fails,
    "PhaseFinished": _phase_ends,
    "RunFinished": _run_ends,
}


def _key(event: Event) -> tuple[str, str, str]:
    return (event["phase"], event["target"], event["step"])


def _bar(story: Story, begun: Event, outcome: str, end: float) -> Bar:
    start = float(begun["at"]) - story.began
    return Bar(
        begun["phase"],
        begun["target"],
        begun["title"],
        begun["summary"],
        outcome,
        start,
        max(start, end - story.began),
    )


def _span(story: Story, begun: Event, outcome: str, end: float) -> Span:
    start = float(begun["at"]) - story.began
    title = str(begun.get("title", ""))
    return Span(begun["phase"], title, outcome, start, max(start, end - story.began))
