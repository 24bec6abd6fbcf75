"""Plans and runs of an imagined cluster, for what the views are shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from picluster.engine.events import (
    Connected,
    Event,
    Exchanged,
    PhaseFinished,
    PhaseStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    StepStarted,
    TargetFailed,
    TargetTally,
)
from picluster.engine.journal import to_line
from picluster.engine.plan import Judged, PhasePlan
from picluster.engine.step import Blocked, Change, Decision, Diff, Probe, Risk, Satisfied
from picluster.engine.survey import Look

NOTICE = "K3s in this lab is a stand-in, not K3s"


@dataclass(frozen=True)
class Decided:
    """A step whose decision is given."""

    name: str
    title: str
    decision: Decision

    def probe(self) -> Probe | None:
        return None

    def decide(self, look: Look) -> Decision:
        return self.decision


def judged(target: str, name: str, title: str, decision: Decision) -> Judged:
    return Judged("stage", target, Decided(name, title, decision), decision)


def hosts(target: str) -> Judged:
    change = Change(
        "write /etc/hosts",
        (),
        reason="2 nodes are missing",
        diff=Diff("127.0.0.1 localhost\n", "127.0.0.1 localhost\n10.0.0.2 pi2\n"),
    )
    return judged(target, "hosts-file", "/etc/hosts names every node", change)


def reboot(target: str) -> Judged:
    change = Change("reboot", (), reason="the memory cgroup is off", risk=Risk.REBOOT)
    return judged(target, "cgroup", "the memory cgroup is on", change)


def fine(target: str, warning: str = "") -> Judged:
    return judged(target, "clock", "the clock is right", Satisfied("in step", warning=warning))


def refused(target: str) -> Judged:
    blocked = Blocked("32-bit userland", "flash the 64-bit image")
    return judged(target, "arch", "the system is 64-bit", blocked)


def plan(*items: Judged, phase: str = "prepare") -> PhasePlan:
    return PhasePlan(phase, "every node is ready for K3s", items)


def failed_run() -> list[Event]:
    """Return the events of a run in which pi2 fails."""
    step = {"phase": "prepare", "step": "hosts-file", "title": "/etc/hosts names every node"}
    return [
        RunStarted(
            command="up",
            cluster="home",
            targets=("pi1", "pi2"),
            phases=("prepare",),
            notices=(NOTICE,),
        ),
        Connected(target="pi1", seconds=0.2),
        PhaseStarted(phase="prepare", title="nodes are ready", targets=("pi1", "pi2")),
        StepStarted(**step, target="pi1", summary="write /etc/hosts"),
        StepProgress(phase="prepare", target="pi1", step="hosts-file", state="waiting for disk"),
        Exchanged(
            target="pi1",
            kind="script",
            seconds=1.1,
            bytes_sent=26_000,
            bytes_received=4_000,
            forks=48,
            cpu_seconds=0.3,
        ),
        StepFinished(
            **step, target="pi1", outcome="changed", detail="write /etc/hosts", seconds=1.2
        ),
        StepFinished(**step, target="pi2", outcome="failed", detail="exit status 1"),
        TargetFailed(
            phase="prepare",
            target="pi2",
            what="the command ended with status 1",
            why="no space left on device",
            fix="free some space, then run picluster up again",
            evidence="+ printf\nsh: write error: No space left on device",
        ),
        PhaseFinished(phase="prepare", seconds=2.0, outcome="failed"),
        RunFinished(
            tallies=(
                TargetTally(
                    target="pi1",
                    ok=3,
                    changed=1,
                    failed=0,
                    skipped=0,
                    seconds=1.2,
                    scripts=7,
                    forks=4711,
                    cpu_seconds=0.3,
                    bytes_sent=26_000,
                    bytes_received=4_000,
                ),
                TargetTally(target="pi2", ok=0, changed=0, failed=1, skipped=3, seconds=0.0),
            ),
            exit_code=1,
            seconds=12.0,
            connections=2,
            scripts=7,
            bytes_sent=26_000,
            bytes_received=4_000,
            forks=4711,
            cpu_seconds=0.3,
            next_command="picluster up",
        ),
    ]


def busy_run(nodes: int, steps: int, says: str = "") -> list[Event]:
    """Return a run in which every node changes a lot; with `says`, the last one fails saying so."""
    names = [f"pi{number}" for number in range(1, nodes + 1)]
    cluster = says or "home"
    events: list[Event] = [
        RunStarted(at=0, command="up", cluster=cluster, targets=tuple(names), phases=("prepare",))
    ]
    events.append(
        PhaseStarted(at=0, phase="prepare", title="nodes are ready", targets=tuple(names))
    )
    for name in names:
        for number in range(steps):
            step = {"phase": "prepare", "step": f"step-{number}", "target": name}
            title = f"part {number} of the node is ready {says}"
            summary = f"make part {number} ready, which takes a rather long sentence to say {says}"
            events += [
                StepStarted(at=number * 4.0, title=title, summary=summary, **step),
                StepFinished(
                    at=number * 4.0 + 3, title=title, outcome="changed", seconds=3.0, **step
                ),
            ]
    failed = TargetFailed(
        at=steps * 4.0,
        phase="prepare",
        target=names[-1],
        what=says,
        why=says,
        fix=says,
        evidence=says,
    )
    tallies = tuple(
        TargetTally(target=name, ok=9, changed=steps, failed=0, skipped=0, seconds=steps * 3.0)
        for name in names
    )
    return [
        *events,
        *([failed] if says else []),
        PhaseFinished(at=steps * 4.0, phase="prepare", seconds=steps * 4.0, outcome="changed"),
        RunFinished(
            at=steps * 4.0,
            tallies=tallies,
            exit_code=1 if says else 0,
            seconds=steps * 4.0,
            connections=nodes,
            scripts=nodes * 3,
        ),
    ]


def records(events: list[Event]) -> list[dict[str, Any]]:
    """Return events as a journal gives them back."""
    return [json.loads(to_line(event)) for event in events]
