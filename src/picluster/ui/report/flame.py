"""What each node's time went to: its own waiting, that for others, its CPU, transfers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from picluster.ui.words import duration

Event: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["waits", "others", "script", "upload"]

KINDS: dict[Kind, str] = {
    "waits": "waits for something on it",
    "others": "waits for other nodes",
    "script": "runs a script; the dark part is its CPU time",
    "upload": "is sent a file",
}
"""What a node's time goes to, in the order in which it is drawn."""

_NO_TIME = 0.5
"""Shorter waits for others are no news: rounds of several nodes never end at once."""

_WORDS = ("StepStarted", "StepProgress", "StepFinished", "TargetFailed")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a node's time, in seconds since the run began; `cpu` of them it was busy."""

    kind: Kind
    text: str
    start: float
    end: float
    cpu: float = 0.0


def pieces(events: Sequence[Event]) -> dict[str, list[Piece]]:
    """Return what every target's time went to, in order, from a run's events."""
    began = next((event["at"] for event in events if event.get("event") == "RunStarted"), 0.0)
    found: dict[str, list[Piece]] = {}
    for target, piece in (*_exchanges(events, began), *_waits(events, began)):
        found.setdefault(target, []).append(piece)
    for target, piece in _waits_for_others(events, began):
        found.setdefault(target, []).append(piece)
    return {target: sorted(each, key=lambda piece: piece.start) for target, each in found.items()}


def _exchanges(events: Iterable[Event], began: float) -> Iterator[tuple[str, Piece]]:
    for event in events:
        if event.get("event") != "Exchanged":
            continue
        end = event["at"] - began
        start = max(0.0, end - event["seconds"])
        if event["kind"] == "upload":
            text = f"{event['bytes_sent'] / 1e6:.1f} MB sent"
            yield event["target"], Piece("upload", text, start, end)
        else:
            cpu = min(event["cpu_seconds"], end - start)
            text = f"script: {event['forks']} processes, {duration(event['cpu_seconds'])} of CPU"
            yield event["target"], Piece("script", text, start, end, cpu)


def _waits(events: Iterable[Event], began: float) -> Iterator[tuple[str, Piece]]:
    """Yield what changes said that they wait for, each until its target's next word."""
    now: dict[str, tuple[str, float]] = {}
    for event in events:
        if event.get("event") not in _WORDS or event.get("passing"):
            continue
        target, at = event["target"], event["at"] - began
        if target in now:
            state, since = now.pop(target)
            yield target, Piece("waits", state, since, at)
        if event["event"] == "StepProgress":
            now[target] = (event["state"], at)


def _waits_for_others(events: Iterable[Event], began: float) -> Iterator[tuple[str, Piece]]:
    """Yield when a target of a phase had nothing to do while changes were made on another."""
    phase = _Phase()
    for event in events:
        phase.take(event)
        yield from phase.waits(event.get("at", 0.0) - began)


@dataclass(slots=True)
class _Phase:
    """Who of a phase has changes under way, and who waits since when for whom."""

    nodes: Sequence[str] = ()
    targets: Sequence[str] = ()
    working: set[tuple[str, str]] = field(default_factory=set)
    idle: dict[str, tuple[float, str]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take note of what begins or ends."""
        match event.get("event"):
            case "RunStarted":
                self.nodes = event["targets"]
            case "PhaseStarted" | "PhaseFinished":
                targets = event.get("targets", ())
                self.targets = [node for node in self.nodes if node in targets]
                self.working = set()
            case "StepStarted":
                self.working.add((event["target"], event["step"]))
            case "StepFinished":
                self.working.discard((event["target"], event["step"]))
            case "TargetFailed":
                self.working = {each for each in self.working if each[0] != event["target"]}

    def waits(self, at: float) -> Iterator[tuple[str, Piece]]:
        """Yield the waits that are over; note those that begin."""
        busy = list(dict.fromkeys(target for target, _ in sorted(self.working)))
        for target in {*self.idle, *(self.targets if busy else ())}:
            waits = target in self.targets and bool(busy) and target not in busy
            if waits:
                self.idle.setdefault(target, (at, f"waits for {', '.join(busy)}"))
            elif target in self.idle:
                since, text = self.idle.pop(target)
                if at - since >= _NO_TIME:
                    yield target, Piece("others", text, since, at)
