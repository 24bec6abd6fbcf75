"""What a run came to: each node's tally, what failed and why, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from picluster.engine.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    TargetFailed,
    TargetTally,
    WarningSettled,
)
from picluster.errors import NodeError, PreflightRefused
from picluster.ui.words import Marks, count, duration, failure, safe


@dataclass(slots=True)
class Recap:
    """Collects a run's events; `text` is the recap once the run is over."""

    marks: Marks
    started: RunStarted | None = None
    finished: RunFinished | None = None
    failures: list[TargetFailed] = field(default_factory=list)
    warnings: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """What is warned of, by phase, target and step."""

    def __call__(self, event: Event) -> None:
        """Take note of what the recap needs."""
        match event:
            case RunStarted():
                self.started = event
            case RunFinished():
                self.finished = event
            case TargetFailed():
                self.failures.append(event)
            case StepFinished() | WarningSettled():
                self.warnings[event.phase, event.target, event.step] = event.warning

    def text(self) -> str:
        """Return the recap; empty if the run did not come to one."""
        if self.finished is None or self.started is None:
            return ""
        blocks = [
            "\n".join(_failure(event) for event in self.failures if not event.alarm),
            "\n".join(
                f"{self.marks.warning} {', '.join(_in_order(targets, self.started))}: {warning}"
                for warning, targets in self._by_warning().items()
            ),
            # What was refused has only been looked at: a row of ticks would say something else.
            "" if self._is_refused else _table(self.finished.tallies, self._away, self.marks),
            # Last, so that nobody overlooks it.
            "\n".join(f"SECURITY: {_failure(event)}" for event in self.failures if event.alarm),
            self._summary(self.started, self.finished),
        ]
        return safe("\n\n".join(block for block in blocks if block)) + "\n"

    @property
    def _is_done_elsewhere(self) -> bool:
        """Whether nothing went wrong but that nodes could not be worked on, and others were."""
        worked = self.finished is not None and bool(self.finished.tallies and self._away)
        return worked and all(self._is_of_a_missing_node(event) for event in self.failures)

    @property
    def _is_refused(self) -> bool:
        """Whether the run ended before it changed anything."""
        if self.finished is None or self.finished.exit_code != PreflightRefused.exit_code:
            return False
        return not any(tally.changed for tally in self.finished.tallies)

    def _by_warning(self) -> dict[str, list[str]]:
        """Gather the targets that are warned of the same."""
        gathered: dict[str, list[str]] = {}
        for (_, target, _), warning in self.warnings.items():
            if warning and target not in gathered.setdefault(warning, []):
                gathered[warning].append(target)
        return gathered

    @property
    def _away(self) -> list[str]:
        """The targets that could not be worked on from the start."""
        told = [event.target for event in self.failures if self._is_of_a_missing_node(event)]
        return list(dict.fromkeys(told))

    def _is_of_a_missing_node(self, event: TargetFailed) -> bool:
        """Whether no step was begun there: it cannot be reached, or gives no rights."""
        if event.phase == "connect":
            return True
        if self.finished is None or self.started is None:
            return False
        first = next(each for each in self.failures if each.target == event.target)
        begun = {tally.target for tally in self.finished.tallies}
        mute = event.target in self.started.targets and event.target not in begun
        return event is first and mute and event.exit_code == NodeError.exit_code

    def _summary(self, started: RunStarted, finished: RunFinished) -> str:
        changed = sum(tally.changed for tally in finished.tallies)
        away = ", ".join(self._away)
        done = count(changed, "change") if changed else "nothing to do"
        if finished.exit_code == NodeError.exit_code and self._is_done_elsewhere:
            outcome = f"{started.command} without {away} (exit code {finished.exit_code}): {done}"
        elif finished.exit_code:
            outcome = f"{started.command} did not finish (exit code {finished.exit_code})"
        else:
            outcome = f"{started.command}: {done}"
        spent = (
            f"{outcome} in {duration(finished.seconds)}, "
            f"{count(finished.connections, 'connection')}, {count(finished.scripts, 'script')}"
        )
        lines = [spent, *(f"NOTE: {notice}" for notice in started.notices)]
        if finished.next_command and not self._is_refused:
            back = f", once {away} can be worked on" if finished.exit_code and away else ""
            lines.append(f"next: {finished.next_command}{back}")
        return "\n".join(lines)


def _in_order(targets: Sequence[str], started: RunStarted) -> list[str]:
    """Return targets as the cluster file lists them: they were heard of as they answered."""
    listed = [name for name in started.targets if name in targets]
    return [*listed, *(name for name in targets if name not in listed)]


def _failure(event: TargetFailed) -> str:
    return failure(
        event.what, where=event.target, why=event.why, fix=event.fix, evidence=event.evidence
    )


def _table(tallies: Sequence[TargetTally], away: Sequence[str], marks: Marks) -> str:
    if not tallies:
        return ""
    width = max(map(len, ["node", *away, *(tally.target for tally in tallies)]))
    lines = [f"  {'node':<{width}}  {'ok':>4} {'changed':>8} {'failed':>7} {'skipped':>8}  time"]
    for tally in tallies:
        outcome = "failed" if tally.failed else "skipped" if tally.skipped else "ok"
        lines.append(
            f"{marks.of(outcome):<2}{tally.target:<{width}}  {tally.ok:>4} {tally.changed:>8} "
            f"{tally.failed:>7} {tally.skipped:>8}  {duration(tally.seconds)}"
        )
    lines += [f"{marks.failed:<2}{target:<{width}}  could not be worked on" for target in away]
    return "\n".join(lines)
