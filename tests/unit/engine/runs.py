"""Runs over directories that stand for nodes, and a step that does something real to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.doubles.shell_nodes import ShellNodes

from picluster.causes.cause import Cause
from picluster.engine.events import Event, StepFinished, TargetFailed
from picluster.engine.phase import Phase, Stage
from picluster.engine.pool import Sessions
from picluster.engine.probe import ShellProbe
from picluster.engine.run import RunState
from picluster.engine.step import (
    Action,
    Blocked,
    Change,
    Decision,
    Probe,
    Risk,
    Run,
    Satisfied,
)
from picluster.engine.survey import Look


def text_of(path: str) -> ShellProbe[str]:
    """Ask for the text of a node's file."""
    return ShellProbe(path, f'cat "$NODE_ROOT/{path}" 2>/dev/null || true', lambda seen: seen.out)


@dataclass(frozen=True)
class FileStep:
    """A file holds a text; the simplest step that does something real."""

    path: str
    content: str = "wanted"
    how: str = ""
    after: tuple[str, ...] = ()
    risk: Risk = Risk.NONE
    retry_safe: bool = False
    blocked: str = ""
    for_want_of: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()

    @property
    def name(self) -> str:
        return self.path

    @property
    def title(self) -> str:
        return f"{self.path} is there"

    def probe(self) -> Probe:
        return text_of(self.path)

    def decide(self, look: Look) -> Decision:
        if self.blocked:
            return Blocked(self.blocked, "do not want that", missing=self.for_want_of)
        if look.read(text_of(self.path)) == self.content and not look.changing(*self.after):
            return Satisfied()
        action: Action = Run(
            self.how or f'echo writing; printf %s {self.content} >"$NODE_ROOT/{self.path}"',
            causes=self.causes,
        )
        return Change(
            f"write {self.path}",
            (action,),
            reason="it differs",
            risk=self.risk,
            retry_safe=self.retry_safe,
        )


@dataclass
class Bench:
    """A run over directories that stand for nodes, and every event of it."""

    nodes: ShellNodes
    run: RunState
    events: list[Event]

    def outcomes(self, target: str) -> dict[str, str]:
        return {
            event.step: event.outcome
            for event in self.events
            if isinstance(event, StepFinished) and event.target == target
        }

    def failure(self, target: str) -> TargetFailed:
        return next(
            event
            for event in self.events
            if isinstance(event, TargetFailed) and event.target == target
        )


def again(bench: Bench) -> Bench:
    """Start another run over the same nodes, with new connections and counts."""
    nodes, events = ShellNodes(bench.nodes.base), []
    return Bench(nodes, RunState(Sessions(nodes), events.append), events)


def phase(*stages: Stage) -> Phase:
    return Phase("test", "a phase of a test", stages)


def on(targets: Sequence[str], *steps: FileStep, **stage: object) -> Stage:
    return Stage("stage", dict.fromkeys(targets, steps), **stage)  # type: ignore[arg-type]
