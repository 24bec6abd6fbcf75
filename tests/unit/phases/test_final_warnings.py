"""The recap's warnings are those of the end of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.unit.engine.runs import text_of
from tests.unit.phases.desk import Desk, everywhere

from picluster import commands
from picluster.engine.events import RunFinished, WarningSettled
from picluster.engine.phase import Phase, Stage
from picluster.engine.probe import ShellProbe
from picluster.engine.step import Decision, Satisfied
from picluster.engine.survey import Look
from picluster.site import Site


@dataclass(frozen=True)
class Missed:
    """Warns of the file that a later phase makes."""

    name: str = "missed"
    title: str = "the file is there"

    def probe(self) -> ShellProbe[str]:
        return text_of("file")

    def decide(self, look: Look) -> Decision:
        there = look.read(text_of("file"))
        return Satisfied(warning="" if there else "there is no file; prepare makes it")


def warn_then_repair(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    yield Phase("preflight", "fit", (Stage("fit", {"pi1": [Missed()]}),))
    yield from everywhere(site, absent)


def test_warnings_are_settled_before_the_recap(desk: Desk) -> None:
    commands.operate(desk.site(), warn_then_repair)
    settled = [each for each in desk.events if isinstance(each, WarningSettled)]
    assert [(each.target, each.step, each.warning) for each in settled] == [("pi1", "missed", "")]
    assert isinstance(desk.events[-1], RunFinished)
    finished = desk.events[-1]
    spent = desk.nodes.traffic
    assert finished.scripts == spent.scripts
    assert (finished.bytes_sent, finished.bytes_received) == (
        spent.bytes_sent,
        spent.bytes_received,
    )
    assert min(spent.bytes_sent, spent.bytes_received) > 0


def test_a_user_who_stops_the_run_does_not_wait_for_that(desk: Desk) -> None:
    made = desk.site()

    def stopped(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield from warn_then_repair(site, absent)
        made.stop.set()

    commands.operate(made, stopped)
    assert not [each for each in desk.events if isinstance(each, WarningSettled)]
