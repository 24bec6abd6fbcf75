"""The runner: look once, change what differs, look again, and account for everything."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import pytest
from tests.unit.engine.runs import Bench, FileStep, again, on, phase

from picluster.causes.cause import Cause
from picluster.engine.events import PhaseFinished, StepFinished, StepProgress, StepStarted
from picluster.engine.phase import Stage, one_at_a_time
from picluster.engine.place import Place, Tools
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.recollection import Recollection
from picluster.engine.runner import plan_phase, run_phase
from picluster.engine.step import Act, Change, Decision, Fact, Risk, Run, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import (
    Interrupted,
    Locked,
    PreflightRefused,
    StepFailed,
    Unreachable,
    Unreadable,
)


def ended(bench: Bench) -> list[tuple[str, tuple[str, ...]]]:
    """What came of each phase, and without whom."""
    return [(e.outcome, e.missing) for e in bench.events if isinstance(e, PhaseFinished)]


class TestRoundTrips:
    two = on(["pi1", "pi2"], FileStep("a"), FileStep("b"), FileStep("c"))

    def test_changes_of_one_node_travel_as_one_script_between_two_looks(self, bench: Bench) -> None:
        assert run_phase(phase(self.two), bench.run)
        assert bench.nodes.scripts == {"pi1": 3, "pi2": 3}
        assert bench.outcomes("pi1") == {"a": "changed", "b": "changed", "c": "changed"}

    def test_a_second_run_looks_once_and_finds_nothing_to_do(self, bench: Bench) -> None:
        run_phase(phase(self.two), bench.run)
        second = again(bench)
        assert run_phase(phase(self.two), second.run)
        assert second.nodes.scripts == {"pi1": 1, "pi2": 1}
        assert second.nodes.traffic.connections == 2
        assert set(second.outcomes("pi1").values()) == {"ok"}

    def test_a_plan_looks_once_and_changes_nothing(self, bench: Bench) -> None:
        plan = plan_phase(phase(self.two), bench.run)
        assert [item.key for item in plan.changes] == [
            (node, step) for node in ("pi1", "pi2") for step in "abc"
        ]
        assert list(bench.nodes.root("pi1").iterdir()) == []
        assert bench.nodes.scripts == {"pi1": 1, "pi2": 1}

    def test_only_what_drifted_is_changed(self, bench: Bench) -> None:
        run_phase(phase(self.two), bench.run)
        (bench.nodes.root("pi2") / "b").write_text("drifted")
        second = again(bench)
        run_phase(phase(self.two), second.run)
        assert second.outcomes("pi1") == {"a": "ok", "b": "ok", "c": "ok"}
        assert second.outcomes("pi2") == {"a": "ok", "b": "changed", "c": "ok"}

    def test_phases_that_are_foreseen_are_looked_at_in_one_go(self, bench: Bench) -> None:
        for name in ("pi1", "pi2"):
            for file in "ab":
                (bench.nodes.root(name) / file).write_text("wanted")
        first, second = (phase(on(["pi1", "pi2"], FileStep(file))) for file in "ab")
        bench.run.seen.foresee(second)
        assert run_phase(first, bench.run)
        assert run_phase(second, bench.run)
        assert bench.nodes.scripts == {"pi1": 1, "pi2": 1}
        assert bench.outcomes("pi2") == {"a": "ok", "b": "ok"}

    def test_what_was_seen_before_a_change_is_asked_anew_on_every_node(self, bench: Bench) -> None:
        """Nobody knows what a change on one node does to another: here, that it has `b` now."""
        how = 'for at in "$NODE_ROOT"/../*; do printf wanted | tee $at/a >$at/b; done'
        reaching_out = FileStep("a", how=how)
        first, second = phase(on(["pi1"], reaching_out)), phase(on(["pi1", "pi2"], FileStep("b")))
        bench.nodes.root("pi2")
        bench.run.seen.foresee(second)
        assert run_phase(first, bench.run)
        assert bench.nodes.scripts == {"pi1": 3}
        assert run_phase(second, bench.run)
        assert bench.nodes.scripts == {"pi1": 4, "pi2": 1}
        assert bench.outcomes("pi1") == {"a": "changed", "b": "ok"}
        assert bench.outcomes("pi2") == {"b": "ok"}

    def test_what_was_seen_before_the_lock_was_ours_is_asked_anew(self, bench: Bench) -> None:
        def meanwhile() -> None:
            for file in "ab":
                (bench.nodes.root("pi1") / file).write_text("wanted")

        bench.run.take_lock = meanwhile
        first, second = phase(on(["pi1"], FileStep("a"))), phase(on(["pi1"], FileStep("b")))
        bench.run.seen.foresee(second)
        assert run_phase(first, bench.run)
        assert run_phase(second, bench.run)
        assert bench.outcomes("pi1") == {"a": "ok", "b": "ok"}

    def test_what_is_foreseen_fails_no_phase_before_its_own(self, bench: Bench) -> None:
        def unreadable(seen: Observation) -> str:
            raise Unreadable("nonsense")

        nonsense = Fact("later", "is known", ShellProbe("later", "echo later", unreadable))
        (bench.nodes.root("pi1") / "a").write_text("wanted")
        second = phase(Stage("later", {"pi1": [nonsense]}))
        bench.run.seen.foresee(second)
        assert run_phase(phase(on(["pi1"], FileStep("a"))), bench.run)
        assert bench.run.failures == {}
        run_phase(second, bench.run)
        assert "pi1" in bench.run.failures
        assert bench.nodes.scripts == {"pi1": 1}

    def test_what_needs_a_node_that_is_away_is_not_asked_along(self, bench: Bench) -> None:
        (bench.nodes.root("pi1") / "a").write_text("wanted")
        touches = ShellProbe("needs", 'echo asked >"$NODE_ROOT/asked"', lambda seen: seen.out)
        needs = Stage("needs", {"pi1": [Fact("needs", "is known", touches)]}, needs=("pi9",))
        bench.run.seen.foresee(phase(needs), absent={"pi9"})
        assert run_phase(phase(on(["pi1"], FileStep("a"))), bench.run)
        assert not (bench.nodes.root("pi1") / "asked").exists()


def test_an_answer_that_comes_after_a_change_has_begun_is_not_remembered() -> None:
    seen = Recollection()
    seen.keep("pi1", {"echo a": Observation(out="a")})
    assert seen.recall("pi1") == {"echo a": Observation(out="a")}
    seen.forget()
    seen.keep("pi1", {"echo b": Observation(out="b")})
    assert seen.recall("pi1") == {}


@pytest.mark.parametrize(("risk", "told"), [(Risk.NONE, []), (Risk.RESTART, ["guard"])])
def test_whoever_else_remembers_forgets_before_the_guard_rules_and_anything_is_changed(
    bench: Bench, risk: Risk, told: list[str]
) -> None:
    order: list[str] = []
    bench.run.seen = Recollection(lambda: order.append("forgotten"))
    stage = on(["pi1"], FileStep("a", risk=risk), guard=lambda node: order.append("guard"))
    run_phase(phase(stage), bench.run)
    assert order[: 1 + len(told)] == ["forgotten", *told]


class TestFailures:
    def test_a_failed_step_stops_its_node_and_not_the_others(self, bench: Bench) -> None:
        broken = FileStep("b", how="echo no such luck >&2; false")
        stage = Stage(
            "stage",
            {
                "pi1": [FileStep("a"), broken, FileStep("c")],
                "pi2": [FileStep("a"), FileStep("c")],
            },
            barrier=False,
        )
        assert run_phase(phase(stage), bench.run), "no barrier failed"
        assert bench.outcomes("pi1") == {"a": "changed", "b": "failed", "c": "skipped"}
        assert bench.outcomes("pi2") == {"a": "changed", "c": "changed"}
        assert bench.failure("pi1").why == "no such luck"
        assert bench.run.exit_code() == 1

    def test_a_failure_that_its_output_explains_says_what_and_the_fix(self, bench: Bench) -> None:
        full = Cause("no space left", "the disk is full", "make room on NODE")
        how = "echo 'write: No space left on device' >&2; echo more; exit 3"
        run_phase(phase(Stage("x", {"pi1": [FileStep("a", how=how, causes=(full,))]})), bench.run)
        failure = bench.failure("pi1")
        assert (failure.why, failure.fix) == ("the disk is full", "make room on pi1")
        assert "No space left" in failure.evidence

    def test_a_failed_barrier_stops_the_phase_for_everyone(self, bench: Bench) -> None:
        first = Stage("first", {"pi1": [FileStep("a", how="false")], "pi2": [FileStep("a")]})
        assert not run_phase(phase(first, on(["pi1", "pi2"], FileStep("z"))), bench.run)
        assert bench.outcomes("pi2") == {"a": "changed", "z": "skipped"}

    def test_a_change_that_has_no_effect_is_a_failure_with_the_evidence(self, bench: Bench) -> None:
        stubborn = FileStep("a", how='printf other >"$NODE_ROOT/a"')
        run_phase(phase(on(["pi1"], stubborn)), bench.run)
        assert bench.outcomes("pi1") == {"a": "failed"}
        assert "still not so" in bench.failure("pi1").what
        assert bench.failure("pi1").evidence == "other"

    def test_one_at_a_time_stops_at_the_first_failure(self, bench: Bench) -> None:
        stage = Stage(
            "servers",
            {
                "pi1": [FileStep("a")],
                "pi2": [FileStep("a", how="false")],
                "pi3": [FileStep("a")],
            },
            width=one_at_a_time,
        )
        run_phase(phase(stage), bench.run)
        assert [bench.outcomes(node)["a"] for node in ("pi1", "pi2", "pi3")] == [
            "changed",
            "failed",
            "skipped",
        ]

    @pytest.mark.parametrize("how", ["", "false"], ids=["it goes well", "it fails"])
    def test_the_leader_is_done_before_anybody_else_begins(self, bench: Bench, how: str) -> None:
        names = ("pi1", "pi2", "pi3")
        servers = {node: [FileStep("a", how=how if node == "pi1" else "")] for node in names}
        agents = Stage("agents", {"pi4": [FileStep("a")]}, along=lambda _: True, barrier=False)
        first = Stage("servers", servers, width=lambda _: 2, leader="pi1")
        run_phase(phase(first, agents), bench.run)
        begun = [event.target for event in bench.events if isinstance(event, StepStarted)]
        over = next(each for each in bench.events if isinstance(each, StepFinished))
        before = bench.events[: bench.events.index(over)]
        assert over.target == "pi1"
        assert [each.target for each in before if isinstance(each, StepStarted)] == ["pi1"]
        assert sorted(begun) == (["pi1"] if how else ["pi1", "pi2", "pi3", "pi4"])
        left = {bench.outcomes(node)["a"] for node in ("pi2", "pi3", "pi4")}
        assert left == ({"skipped"} if how else {"changed"})

    def test_a_stage_goes_on_beside_the_one_before_if_it_may(self, bench: Bench) -> None:
        bench.run.tools = Tools(threading.Barrier(2))
        beside = replace(on(["pi2"], Meeting()), along=lambda _: True)
        assert run_phase(phase(on(["pi1"], Meeting()), beside), bench.run)
        assert bench.outcomes("pi1") == bench.outcomes("pi2") == {"meeting": "changed"}

    def test_a_stage_comes_after_the_one_before_otherwise(self, bench: Bench) -> None:
        after = on(["pi2"], FileStep("a"))
        assert run_phase(phase(on(["pi1"], FileStep("a")), after), bench.run)
        steps = [each for each in bench.events if isinstance(each, StepStarted | StepFinished)]
        assert [each.target for each in steps] == ["pi1", "pi1", "pi2", "pi2"]

    def test_a_node_lost_before_the_look_fails_alone(self, bench: Bench) -> None:
        bench.nodes.refuse["pi2"] = Unreachable("no answer", where="pi2")
        run_phase(phase(on(["pi1", "pi2"], FileStep("a"), barrier=False)), bench.run)
        assert bench.outcomes("pi1") == {"a": "changed"}
        assert bench.run.exit_code() == 4

    def test_a_phase_without_a_node_is_told_as_done_on_the_others(self, bench: Bench) -> None:
        bench.nodes.refuse["pi2"] = Unreachable("no answer", where="pi2")
        run_phase(phase(on(["pi1", "pi2"], FileStep("a"), barrier=False)), bench.run)
        run_phase(phase(on(["pi1", "pi2"], FileStep("a"), barrier=False)), bench.run)
        run_phase(phase(on(["pi2"], FileStep("a"), barrier=False)), bench.run)
        assert ended(bench) == [("changed", ("pi2",)), ("ok", ("pi2",)), ("skipped", ("pi2",))]

    def test_a_phase_that_failed_on_a_node_that_is_there_has_failed(self, bench: Bench) -> None:
        bench.nodes.refuse["pi2"] = Unreachable("no answer", where="pi2")
        steps = {"pi1": [FileStep("a", how="false")], "pi2": [FileStep("a")]}
        run_phase(phase(Stage("stage", steps, barrier=False)), bench.run)
        assert ended(bench) == [("failed", ("pi2",))]

    def test_a_phase_of_which_something_was_left_out_has_failed(self, bench: Bench) -> None:
        bench.run.absent = frozenset({"pi2"})
        run_phase(phase(on(["pi1"], FileStep("a")), on(["pi1"], needs=["pi2"])), bench.run)
        assert ended(bench) == [("failed", ())]

    def test_every_phase_ends_with_an_event_even_when_it_is_refused(self, bench: Bench) -> None:
        with pytest.raises(PreflightRefused):
            run_phase(phase(on(["pi1"], FileStep("a", blocked="never"))), bench.run)
        assert ended(bench) == [("failed", ())]


class TestRefusals:
    def test_one_refusal_keeps_everything_unchanged_everywhere(self, bench: Bench) -> None:
        stage = Stage(
            "stage", {"pi1": [FileStep("a")], "pi2": [FileStep("b", blocked="it is too old")]}
        )
        with pytest.raises(PreflightRefused, match="pi2: it is too old") as refusal:
            run_phase(phase(stage), bench.run)
        assert refusal.value.fix == "do not want that"
        assert list(bench.nodes.root("pi1").iterdir()) == []

    def test_the_lock_is_asked_for_only_when_something_will_change(self, bench: Bench) -> None:
        def taken() -> None:
            raise Locked("somebody else works here")

        run_phase(phase(on(["pi1"], FileStep("a"))), bench.run)
        second = again(bench)
        second.run.take_lock = taken
        assert run_phase(phase(on(["pi1"], FileStep("a"))), second.run)
        with pytest.raises(Locked):
            run_phase(phase(on(["pi1"], FileStep("new"))), second.run)
        assert not (bench.nodes.root("pi1") / "new").exists()

    def test_the_guard_is_asked_before_a_disruption_and_only_then(self, bench: Bench) -> None:
        asked: list[str] = []

        def guard(node: str) -> None:
            asked.append(node)
            raise PreflightRefused("pi3 is not healthy", where=node)

        harmless, restart = FileStep("a"), FileStep("b", risk=Risk.RESTART)
        run_phase(phase(on(["pi1"], harmless, guard=guard)), bench.run)
        assert asked == []
        run_phase(phase(on(["pi1"], harmless, restart, guard=guard)), bench.run)
        assert asked == ["pi1"]
        assert not (bench.nodes.root("pi1") / "b").exists()
        assert bench.run.exit_code() == 5


class TestLostConnections:
    def test_a_look_is_repeated_on_a_new_connection(self, bench: Bench) -> None:
        bench.nodes.drop_after["pi1"] = 1
        assert run_phase(phase(on(["pi1"], FileStep("a"))), bench.run)
        assert bench.outcomes("pi1") == {"a": "changed"}
        assert bench.nodes.traffic.connections == 2

    @pytest.mark.parametrize(("safe", "outcome"), [(True, "changed"), (False, "failed")])
    def test_a_change_is_repeated_only_if_it_says_that_it_may_be(
        self, bench: Bench, safe: bool, outcome: str
    ) -> None:
        bench.nodes.drop_after["pi1"] = 2
        run_phase(phase(on(["pi1"], FileStep("a", retry_safe=safe))), bench.run)
        assert bench.outcomes("pi1") == {"a": outcome}


class TestPlanning:
    def test_a_restart_shows_in_the_plan_before_its_cause_is_written(self, bench: Bench) -> None:
        config, service = FileStep("config"), FileStep("service", after=("config",))
        run_phase(phase(on(["pi1"], config, service)), bench.run)
        newer = replace(config, content="newer")
        plan = plan_phase(phase(on(["pi1"], newer, service)), again(bench).run)
        assert [item.step.name for item in plan.changes] == ["config", "service"]

    def test_what_is_planned_is_what_is_done(self, bench: Bench) -> None:
        stages = phase(on(["pi1"], FileStep("a")), on(["pi1"], FileStep("b", after=("a",))))
        planned = {item.step.name for item in plan_phase(stages, bench.run).changes}
        run_phase(stages, bench.run)
        done = {step for step, outcome in bench.outcomes("pi1").items() if outcome == "changed"}
        assert planned == done == {"a", "b"}

    def test_limited_runs_look_everywhere_and_change_only_there(self, bench: Bench) -> None:
        bench.run.only = {"pi2"}
        run_phase(phase(on(["pi1", "pi2"], FileStep("a"))), bench.run)
        assert not (bench.nodes.root("pi1") / "a").exists()
        assert (bench.nodes.root("pi2") / "a").exists()

    def test_a_limited_run_does_without_a_node_that_is_down(self, bench: Bench) -> None:
        bench.run.only = {"pi2"}
        bench.nodes.refuse["pi1"] = Unreachable("no answer", where="pi1")
        run_phase(phase(on(["pi1", "pi2"], FileStep("a"))), bench.run)
        assert bench.outcomes("pi2") == {"a": "changed"}
        assert bench.run.exit_code() == 0


class Box:
    """Something of the cluster that is no node's."""

    def __init__(self) -> None:
        self.things: list[str] = []


@dataclass(frozen=True)
class Meet:
    """Two targets do this at the same time, or it fails."""

    title: str = "meeting"

    def perform(self, place: Place) -> None:
        try:
            place.tools.get(threading.Barrier).wait(20)
        except threading.BrokenBarrierError:
            raise StepFailed("nobody else came") from None


@dataclass(frozen=True)
class Meeting:
    """Something that two do together, once."""

    name: str = "meeting"
    title: str = "both were there"

    def probe(self) -> None:
        """It asks nothing."""

    def decide(self, look: Look) -> Decision:
        return Change("meet", (Meet(),), once=True)


@dataclass(frozen=True)
class LookIntoTheBox:
    """What is in the run's box."""

    name: str = "box"
    secret: bool = False

    def ask(self, tools: Tools) -> tuple[str, ...]:
        return tuple(tools.get(Box).things)


@dataclass(frozen=True)
class Fill:
    """Put something into the run's box."""

    title: str = "filling"

    def perform(self, place: Place) -> None:
        place.progress.report("1 of 1")
        place.progress.sleep(0)
        place.tools.get(Box).things.append("full")


@dataclass(frozen=True)
class WaitForEver:
    """Wait, until the user stops the run, which happens at once."""

    stop: threading.Event
    title: str = "waiting"

    def perform(self, place: Place) -> None:
        self.stop.set()
        place.progress.sleep(3600)


@dataclass(frozen=True)
class ReadWhatIsNotThere:
    """Take apart what another said, as if it were of the shape that it should have."""

    title: str = "reading"

    def perform(self, place: Place) -> None:
        said: dict[str, dict[str, str]] = {}
        place.progress.report(said["metadata"]["name"])


@dataclass(frozen=True)
class WriteWhereThereIsNoRoom:
    """Meet a computer without room."""

    title: str = "writing"

    def perform(self, place: Place) -> None:
        raise OSError(28, "No space left on device")


@dataclass(frozen=True)
class BoxFull:
    """The box of the cluster is not empty."""

    how: Act = Fill()
    name: str = "box-full"
    title: str = "the box is full"

    def probe(self) -> LookIntoTheBox:
        return LookIntoTheBox()

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()):
            return Satisfied()
        return Change("fill the box", (self.how,), retry_safe=False)


@dataclass(frozen=True)
class Rung:
    """The bell was rung, which nothing tells afterwards."""

    once: bool = True
    name: str = "rung"
    title: str = "the bell was rung"

    def probe(self) -> None:
        """Nothing tells."""

    def decide(self, look: Look) -> Decision:
        bell = Run('echo ding >>"$NODE_ROOT/bell"')
        return Change("ring", (bell,), reason="asked for", once=self.once, retry_safe=False)


class TestWhatHappensOnce:
    def rung(self, bench: Bench) -> int:
        bell = bench.nodes.root("pi1") / "bell"
        return len(bell.read_text().splitlines()) if bell.exists() else 0

    def test_what_was_asked_for_is_done_once_and_is_then_so(self, bench: Bench) -> None:
        assert run_phase(phase(Stage("x", {"pi1": [Rung()]})), bench.run)
        assert bench.outcomes("pi1") == {"rung": "changed"}
        assert self.rung(bench) == 1

    def test_nothing_else_that_is_never_so_passes_for_done(self, bench: Bench) -> None:
        run_phase(phase(Stage("x", {"pi1": [Rung(once=False)]})), bench.run)
        assert bench.outcomes("pi1") == {"rung": "failed"}
        assert "still not so" in bench.failure("pi1").what

    def test_another_change_beside_it_does_not_have_it_done_again(self, bench: Bench) -> None:
        stage = Stage("x", {"pi1": [Rung(), FileStep("a", after=("rung",))]})
        assert run_phase(phase(stage), bench.run)
        assert bench.outcomes("pi1") == {"rung": "changed", "a": "changed"}
        assert self.rung(bench) == 1

    def test_another_run_is_another_asking(self, bench: Bench) -> None:
        for each in (bench, again(bench)):
            run_phase(phase(Stage("x", {"pi1": [Rung()]})), each.run)
        assert self.rung(bench) == 2

    def test_a_plan_says_that_it_will_be_done(self, bench: Bench) -> None:
        plan = plan_phase(phase(Stage("x", {"pi1": [Rung()]})), bench.run)
        assert [item.key for item in plan.changes] == [("pi1", "rung")]
        assert self.rung(bench) == 0


class TestOutput:
    def test_a_change_is_told_action_by_action_when_it_begins(self, bench: Bench) -> None:
        run_phase(phase(on(["pi1"], FileStep("a"))), bench.run)
        begun = [event for event in bench.events if isinstance(event, StepStarted)]
        assert [(event.step, event.actions) for event in begun] == [("a", ("run 1 line of shell",))]

    def test_what_a_script_of_ours_says_it_waits_for_is_told_apart_from_what_programs_print(
        self, bench: Bench
    ) -> None:
        how = "echo Unpacking; echo 'picluster: waiting for apt'; printf wanted >$NODE_ROOT/a"
        run_phase(phase(on(["pi1"], FileStep("a", how=how))), bench.run)
        told = [event for event in bench.events if isinstance(event, StepProgress)]
        assert [(event.state, event.passing) for event in told] == [
            ("Unpacking", True),
            ("waiting for apt", False),
        ]


class TestClusterSteps:
    def test_steps_of_the_cluster_need_no_node(self, bench: Bench) -> None:
        box = Box()
        bench.run.tools = Tools(box)
        assert run_phase(phase(Stage("once", {CLUSTER: [BoxFull()]})), bench.run)
        assert box.things == ["full"]
        assert bench.nodes.traffic.connections == 0

    def test_an_answer_of_another_shape_fails_the_step_and_is_no_bug(self, bench: Bench) -> None:
        bench.run.tools = Tools(Box())
        step = BoxFull(ReadWhatIsNotThere())
        assert not run_phase(phase(Stage("once", {CLUSTER: [step]})), bench.run)
        failed = bench.failure(CLUSTER)
        assert "makes no sense" in failed.what
        assert "KeyError" in failed.why

    def test_what_this_computer_refuses_fails_the_step_and_is_no_bug(self, bench: Bench) -> None:
        bench.run.tools = Tools(Box())
        step = BoxFull(WriteWhereThereIsNoRoom())
        assert not run_phase(phase(Stage("once", {CLUSTER: [step]})), bench.run)
        failed = bench.failure(CLUSTER)
        assert failed.what == "this computer refuses it"
        assert "No space left" in failed.why

    def test_a_wait_ends_when_the_user_stops_the_run(self, bench: Bench) -> None:
        bench.run.tools = Tools(Box())
        step = BoxFull(WaitForEver(bench.run.stop))
        with pytest.raises(Interrupted):
            run_phase(phase(Stage("once", {CLUSTER: [step]})), bench.run)
        assert bench.run.exit_code() == 130

    def test_nothing_starts_after_the_user_has_stopped_the_run(self, bench: Bench) -> None:
        bench.run.stop = threading.Event()
        bench.run.stop.set()
        with pytest.raises(Interrupted):
            run_phase(phase(on(["pi1"], FileStep("a"))), bench.run)
        assert list(bench.nodes.root("pi1").iterdir()) == []
