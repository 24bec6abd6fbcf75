"""Warnings are of the final state: what was repaired later in the run is not warned of."""

from __future__ import annotations

from dataclasses import dataclass

from tests.unit.engine.runs import Bench, FileStep, on, phase, text_of

from picluster.engine.events import StepFinished, WarningSettled
from picluster.engine.phase import Phase, Stage
from picluster.engine.probe import ShellProbe
from picluster.engine.runner import run_phase
from picluster.engine.step import Decision, Fact, Satisfied
from picluster.engine.survey import Look
from picluster.engine.warned import settle
from picluster.errors import Unreachable


@dataclass(frozen=True)
class WarnsWithout:
    """Warns of a file that is not there, as preflight does of what prepare will repair."""

    path: str

    @property
    def name(self) -> str:
        return f"needs-{self.path}"

    @property
    def title(self) -> str:
        return f"{self.path} is there"

    def probe(self) -> ShellProbe[str]:
        return text_of(self.path)

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()) == "wanted":
            return Satisfied()
        return Satisfied(warning=f"{self.path} is missing")


@dataclass(frozen=True)
class _WarnsWithoutAt:
    """Warns of what was seen on another node."""

    node: str
    name: str = "leaning"
    title: str = "the other node has it"

    def probe(self) -> None:
        pass

    def decide(self, look: Look) -> Decision:
        seen = look.find(text_of("a"), self.node)
        return Satisfied(warning="" if seen == "wanted" else f"{self.node} lacks it")


class _WarnsAfterChange(FileStep):
    """Does its change, and has something to say of it."""

    def __init__(self) -> None:
        super().__init__("a")

    def decide(self, look: Look) -> Decision:
        decision = super().decide(look)
        if isinstance(decision, Satisfied):
            return Satisfied(warning="a reboot is due")
        return decision


def preflight(*paths: str, nodes: tuple[str, ...] = ("pi1",)) -> Phase:
    return Phase(
        "preflight", "fit", (Stage("fit", {n: [*map(WarnsWithout, paths)] for n in nodes}),)
    )


def repair(path: str, node: str = "pi1") -> Phase:
    return phase(on([node], FileStep(path)))


def settled(bench: Bench) -> dict[tuple[str, str], str]:
    settle(bench.run.warned, bench.run)
    return {
        (each.target, each.step): each.warning
        for each in bench.events
        if isinstance(each, WarningSettled)
    }


def test_what_a_later_phase_repaired_is_told_to_be_gone(bench: Bench) -> None:
    run_phase(preflight("a", "b", nodes=("pi1", "pi2")), bench.run)
    run_phase(repair("a"), bench.run)
    assert settled(bench) == {("pi1", "needs-a"): ""}


def test_what_a_later_stage_of_the_same_phase_repaired_too(bench: Bench) -> None:
    warning = Stage("fit", {"pi1": [WarnsWithout("a")]})
    run_phase(phase(warning, on(["pi1"], FileStep("a"))), bench.run)
    assert settled(bench) == {("pi1", "needs-a"): ""}


def test_what_another_node_repaired_is_found_as_well(bench: Bench) -> None:
    there = Fact("file", "the file is known", text_of("a"))
    leaning = Stage("fit", {"pi1": [_WarnsWithoutAt("pi2")], "pi2": [there]})
    run_phase(Phase("preflight", "fit", (leaning,)), bench.run)
    run_phase(repair("a", "pi2"), bench.run)
    assert settled(bench) == {("pi1", "leaning"): ""}


def test_a_run_that_changed_nothing_since_looks_at_nothing_again(bench: Bench) -> None:
    run_phase(repair("a"), bench.run)
    run_phase(preflight("b"), bench.run)
    before = dict(bench.nodes.scripts)
    assert settled(bench) == {}
    assert bench.nodes.scripts == before


def test_what_cannot_be_looked_at_is_left_as_it_was_said(bench: Bench) -> None:
    run_phase(preflight("a", nodes=("pi1", "pi2")), bench.run)
    run_phase(repair("a"), bench.run)
    bench.run.fail("prepare", "pi2", Unreachable("no answer"))
    assert settled(bench) == {("pi1", "needs-a"): ""}


def test_what_a_step_warns_of_after_its_change_is_told(bench: Bench) -> None:
    run_phase(phase(Stage("x", {"pi1": [_WarnsAfterChange()]})), bench.run)
    told = [each for each in bench.events if isinstance(each, StepFinished)]
    assert [(each.outcome, each.warning) for each in told] == [("changed", "a reboot is due")]
