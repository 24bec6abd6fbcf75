"""Plans and runs of an imagined cluster, for what the views are shown."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.events import (
    Connected,
    Event,
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
                TargetTally(target="pi1", ok=3, changed=1, failed=0, skipped=0, seconds=1.2),
                TargetTally(target="pi2", ok=0, changed=0, failed=1, skipped=3, seconds=0.0),
            ),
            exit_code=1,
            seconds=12.0,
            connections=2,
            scripts=7,
            next_command="picluster up",
        ),
    ]
