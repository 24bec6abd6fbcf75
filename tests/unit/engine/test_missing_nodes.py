"""A node that cannot be worked on stops itself, and others only where going on would be unsafe."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from tests.doubles.shell_nodes import ShellSession
from tests.unit.engine.runs import Bench, FileStep, again, on, phase, text_of

from picluster.engine.events import TargetFailed
from picluster.engine.lock import FirstThatIsThere, NodeLock
from picluster.engine.phase import Stage, one_at_a_time
from picluster.engine.pool import Sessions
from picluster.engine.probe import ShellProbe
from picluster.engine.runner import plan_phase, run_phase
from picluster.engine.session import Completed, OnOutput, Traffic
from picluster.engine.step import Blocked, Decision, Risk, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import (
    HostKeyChanged,
    NodeError,
    NodeNeeded,
    PreflightRefused,
    StepFailed,
    Unreachable,
    Unreadable,
)

AWAY = Unreachable("no answer", where="pi2 (10.0.0.2)")
RESTART = FileStep("b", risk=Risk.RESTART)


def lose(bench: Bench, node: str, why: NodeError = AWAY) -> None:
    """Have a node missing from the start, as a command records it."""
    bench.nodes.refuse[node] = why
    bench.run.fail("connect", node, why)


def refuse_pi1(node: str) -> None:
    if node == "pi1":
        raise PreflightRefused("pi3 is not healthy", where=node)


class TestOthersGoOn:
    first = on(["pi1", "pi2"], FileStep("a"), independent=True)
    later = on(["pi1", "pi2"], FileStep("z"), independent=True)

    def test_past_a_node_that_was_missing_from_the_start(self, bench: Bench) -> None:
        lose(bench, "pi2")
        assert run_phase(phase(self.first, self.later), bench.run), "later phases may go on"
        assert bench.outcomes("pi1") == {"a": "changed", "z": "changed"}
        assert bench.outcomes("pi2") == {}
        assert bench.run.exit_code() == 4

    def test_past_one_that_is_lost_while_it_is_changed(self, bench: Bench) -> None:
        bench.nodes.drop_after["pi2"] = 2
        assert run_phase(phase(self.first, self.later), bench.run)
        assert bench.outcomes("pi1") == {"a": "changed", "z": "changed"}
        assert bench.outcomes("pi2") == {"a": "failed"}
        assert bench.run.exit_code() == 4

    def test_but_not_past_a_step_that_failed(self, bench: Bench) -> None:
        lose(bench, "pi2")
        broken = on(["pi1", "pi2", "pi3"], FileStep("a", how="false"), independent=True)
        assert not run_phase(phase(broken, self.later), bench.run)
        assert bench.outcomes("pi1") == {"a": "failed", "z": "skipped"}
        assert bench.run.exit_code() == 1, "a failed step outweighs a missing node"

    def test_but_not_where_the_stage_needs_all_of_its_nodes(self, bench: Bench) -> None:
        lose(bench, "pi2")
        together = on(["pi1", "pi2"], FileStep("a"))
        assert not run_phase(phase(together, self.later), bench.run)
        assert bench.outcomes("pi1") == {"a": "changed", "z": "skipped"}

    def test_but_not_past_one_that_is_lost_under_the_guard(self, bench: Bench) -> None:
        bench.nodes.drop_after["pi1"] = 2
        servers = on(
            ["pi1", "pi2"],
            RESTART,
            width=one_at_a_time,
            guard=lambda node: None,
            independent=True,
        )
        assert not run_phase(phase(servers, self.later), bench.run)
        assert bench.outcomes("pi2") == {"b": "skipped", "z": "skipped"}


@dataclass(frozen=True)
class Talk:
    """Reads a number on the node, which pi2 answers with another kind of digit."""

    name: str = "talk"
    title: str = "the number is known"

    def probe(self) -> ShellProbe[int]:
        text = 'case $NODE_ROOT in *pi2) echo "n=²" ;; *) echo n=2 ;; esac'
        return ShellProbe(self.name, text, lambda seen: seen.number("n"))

    def decide(self, look: Look) -> Decision:
        return Satisfied(detail=str(look.read(self.probe())))


class TestANodeThatTalksNonsense:
    stages = phase(
        Stage("all", {"pi1": [Talk()], "pi2": [Talk()]}, independent=True),
        Stage("needs it", {"pi1": [FileStep("a")]}, needs=("pi2",)),
        Stage("later", {"pi1": [FileStep("b")]}),
    )

    def test_fails_alone_and_is_quoted(self, bench: Bench) -> None:
        assert run_phase(self.stages, bench.run), "later phases may go on"
        assert bench.outcomes("pi1")["b"] == "changed"
        told = bench.failure("pi2")
        assert (told.what, told.evidence) == (
            "its answer makes no sense: `n` is not a number: '²'",
            "n=²",
        )
        assert bench.run.exit_code() == 4

    def test_does_not_keep_a_plan_from_the_others(self, bench: Bench) -> None:
        plan = plan_phase(self.stages, bench.run)
        assert {item.target for item in plan.items} == {"pi1"}
        assert isinstance(bench.run.failures["pi2"], Unreadable)
        again_planned = plan_phase(self.stages, bench.run)
        assert [each.node for each in again_planned.left_out] == ["pi2"]


class TestTheGuard:
    def test_holds_back_one_target_of_an_independent_stage_and_nothing_else(
        self, bench: Bench
    ) -> None:
        servers = on(
            ["pi1", "pi2"], RESTART, width=one_at_a_time, guard=refuse_pi1, independent=True
        )
        later = on(["pi1", "pi2"], FileStep("z"))
        assert run_phase(phase(servers, later), bench.run)
        assert bench.outcomes("pi1") == {"b": "skipped", "z": "changed"}
        assert bench.outcomes("pi2") == {"b": "changed", "z": "changed"}
        assert bench.failure("pi1").what == "pi3 is not healthy"
        assert bench.run.exit_code() == 5

    def test_that_cannot_say_fails_the_target_before_anything_is_done(self, bench: Bench) -> None:
        def silent(node: str) -> None:
            raise StepFailed("the cluster does not answer", where=node)

        assert not run_phase(phase(on(["pi1"], FileStep("a"), RESTART, guard=silent)), bench.run)
        assert bench.outcomes("pi1") == {"a": "skipped", "b": "skipped"}
        assert bench.failure("pi1").what == "the cluster does not answer"

    def test_is_asked_again_once_the_others_of_the_stage_were_brought_in_order(
        self, bench: Bench
    ) -> None:
        asked = []

        def until_pi2_is_back(node: str) -> None:
            asked.append(node)
            if node == "pi1" and "pi2" not in asked:
                raise PreflightRefused("pi2 is not healthy")

        servers = on(
            ["pi1", "pi2"], RESTART, width=one_at_a_time, guard=until_pi2_is_back, independent=True
        )
        assert run_phase(phase(servers), bench.run)
        assert bench.outcomes("pi1") == {"b": "changed"}
        assert asked == ["pi1", "pi2", "pi1"]
        assert bench.run.exit_code() == 0

    def test_lets_nobody_on_after_one_that_failed_in_the_second_go(self, bench: Bench) -> None:
        asked = list[str]()

        def until_pi3_is_back(node: str) -> None:
            asked.append(node)
            if "pi3" not in asked:
                raise PreflightRefused("pi3 is not healthy")

        fails = 'case $NODE_ROOT in *pi1) exit 1 ;; esac; printf wanted >"$NODE_ROOT/b"'
        nodes = ["pi1", "pi2", "pi3"]
        step = FileStep("b", risk=Risk.RESTART, how=fails)
        stage = on(nodes, step, width=one_at_a_time, guard=until_pi3_is_back, independent=True)
        assert not run_phase(phase(stage), bench.run)
        assert asked == [*nodes, "pi1"]
        assert bench.outcomes("pi3") == {"b": "changed"}
        assert bench.failure("pi2").what == "pi3 is not healthy"

    def test_is_not_asked_again_where_nothing_was_changed_meanwhile(self, bench: Bench) -> None:
        asked = []

        def refuse(node: str) -> None:
            asked.append(node)
            raise PreflightRefused("pi3 is not healthy")

        run_phase(phase(on(["pi1", "pi2"], RESTART, guard=refuse, independent=True)), bench.run)
        assert sorted(asked) == ["pi1", "pi2"]
        assert bench.run.exit_code() == 5

    def test_that_refuses_because_of_a_missing_node_leaves_the_code_to_that(
        self, bench: Bench
    ) -> None:
        lose(bench, "pi3")
        run_phase(phase(on(["pi1", "pi3"], RESTART, guard=refuse_pi1, independent=True)), bench.run)
        assert bench.run.exit_code() == 4

    def test_stops_all_where_the_targets_belong_together(self, bench: Bench) -> None:
        servers = on(["pi1", "pi2"], RESTART, width=one_at_a_time, guard=refuse_pi1)
        assert not run_phase(phase(servers), bench.run)
        assert bench.outcomes("pi2") == {"b": "skipped"}


class TestNeeds:
    stages = phase(
        Stage("the registry runs", {"pi2": [FileStep("a")]}, needs=("pi2",)),
        Stage("it is used", {"pi1": [FileStep("b")]}, needs=("pi2",)),
        Stage("else", {"pi1": [FileStep("c")]}),
    )

    def test_what_needs_a_missing_node_is_left_out_and_the_rest_is_done(self, bench: Bench) -> None:
        lose(bench, "pi2")
        assert run_phase(self.stages, bench.run), "later phases may go on"
        assert bench.outcomes("pi1") == {"c": "changed"}
        told = [each for each in bench.events if isinstance(each, TargetFailed)][-1]
        assert (told.target, told.phase, told.exit_code) == ("pi2", "test", 4)
        assert "the registry runs; it is used" in told.what

    def test_a_needed_node_out_of_scope_counts_too(self, bench: Bench) -> None:
        bench.run.only, bench.run.absent = {"pi1"}, {"pi2"}
        run_phase(self.stages, bench.run)
        assert bench.outcomes("pi1") == {"c": "changed"}
        assert bench.run.exit_code() == 4

    def test_a_plan_says_what_is_left_out(self, bench: Bench) -> None:
        lose(bench, "pi2")
        plan = plan_phase(self.stages, bench.run)
        assert [(each.node, each.stages) for each in plan.left_out] == [
            ("pi2", ("the registry runs", "it is used"))
        ]
        assert [item.key for item in plan.changes] == [("pi1", "c")]


class TestWhatCannotBeTold:
    """A step that refuses for want of a node that nobody has seen."""

    unknown = FileStep("b", blocked="pi2 may hold the cluster", for_want_of=("pi2",))
    stages = phase(
        Stage("who is there", {CLUSTER: [unknown]}),
        Stage("servers", {"pi1": [FileStep("a")]}, independent=True),
    )

    @pytest.fixture(autouse=True)
    def cluster_has_a_directory(self, bench: Bench) -> None:
        bench.nodes.root(CLUSTER)

    def test_stops_the_phase_as_the_missing_node_s_failure(self, bench: Bench) -> None:
        lose(bench, "pi2")
        assert not run_phase(self.stages, bench.run), "later phases build on this one"
        assert bench.outcomes("pi1") == {"a": "skipped"}
        assert bench.failure(CLUSTER).what.startswith("nothing was changed: ")
        assert bench.run.exit_code() == 4

    def test_does_not_hide_a_refusal_of_another_kind(self, bench: Bench) -> None:
        lose(bench, "pi2")
        too_old = Stage("fit", {"pi1": [FileStep("a", blocked="it is too old")]})
        with pytest.raises(PreflightRefused, match="it is too old"):
            run_phase(phase(*self.stages.stages, too_old), bench.run)

    def test_is_shown_by_a_plan(self, bench: Bench) -> None:
        lose(bench, "pi2")
        assert [item.target for item in plan_phase(self.stages, bench.run).blocked] == [CLUSTER]


class TestTheRecord:
    """A refusal says that nothing was changed only if this run has changed nothing."""

    refusing = on(["pi1"], FileStep("b", blocked="it is too old"))

    def test_of_a_run_that_changed_nothing(self, bench: Bench) -> None:
        run_phase(phase(on(["pi1"], FileStep("a"))), bench.run)
        with pytest.raises(PreflightRefused, match=r"^nothing was changed: pi1: it is too old"):
            run_phase(phase(self.refusing), again(bench).run)

    def test_of_a_run_that_changed_something_before(self, bench: Bench) -> None:
        run_phase(phase(on(["pi1"], FileStep("a"), FileStep("c"))), bench.run)
        with pytest.raises(
            PreflightRefused, match=r"^refused after 2 changes of this run: pi1: it is too old"
        ):
            run_phase(phase(self.refusing), bench.run)

    def test_of_a_change_that_was_begun_and_failed(self, bench: Bench) -> None:
        half = on(["pi2"], FileStep("a", how="false"), barrier=False)
        run_phase(phase(half), bench.run)
        with pytest.raises(PreflightRefused, match=r"^refused after 1 change of this run: "):
            run_phase(phase(self.refusing), bench.run)

    def test_a_late_refusal_on_one_target_keeps_to_the_record_too(self, bench: Bench) -> None:
        stages = phase(
            Stage("first", {"pi2": [FileStep("a")]}),
            Stage("then", {"pi1": [_BlockedOnceSeen()]}),
        )
        run_phase(stages, bench.run)
        assert bench.failure("pi1").what == "refused after 1 change of this run: pi1: too late"


@dataclass
class HoldingNodes:
    """Nodes on which the script of the lock says that it holds it, until it is let go."""

    away: set[str] = field(default_factory=set)
    scripts: list[str] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)
    traffic: Traffic = field(default_factory=Traffic)

    def connect(self, node: str) -> _HoldingSession:
        if node in self.away:
            raise AWAY
        return _HoldingSession(node, self)


class _HoldingSession(ShellSession):
    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        holding: HoldingNodes = self.nodes  # type: ignore[assignment]
        if self.node in holding.away:
            raise AWAY
        holding.scripts.append(self.node)
        assert on_output is not None
        on_output("stdout", b"held\n")
        holding.let_go.wait(30)
        raise AWAY


@pytest.fixture
def holding() -> Iterator[HoldingNodes]:
    nodes = HoldingNodes()
    yield nodes
    nodes.let_go.set()


class _BlockedOnceSeen(FileStep):
    """Refuses only once another node's file is seen to be there."""

    def __init__(self) -> None:
        super().__init__("late")

    def decide(self, look: Look) -> Decision:
        return Blocked("too late") if look.find(text_of("a"), "pi2") == "wanted" else Satisfied()


class TestConnections:
    def test_a_node_that_was_not_there_is_not_tried_for_every_question(self, bench: Bench) -> None:
        bench.nodes.refuse["pi2"] = AWAY
        sessions = Sessions(bench.nodes)
        assert sessions.open_all(["pi1", "pi2"])["pi2"] is AWAY
        del bench.nodes.refuse["pi2"]
        with pytest.raises(Unreachable):
            sessions.get("pi2")
        with pytest.raises(Unreachable):
            sessions.read("pi2", "true", timeout=5)
        assert sessions.away == {"pi2": AWAY}
        assert sessions.renew("pi2", None).node == "pi2", "who waits for it does try again"
        assert sessions.away == {}

    def test_a_changed_host_key_is_told_as_an_alarm(self, bench: Bench) -> None:
        lose(bench, "pi2", HostKeyChanged("its host key is not the one that is pinned"))
        lose(bench, "pi3")
        alarms = {
            each.target: each.alarm for each in bench.events if isinstance(each, TargetFailed)
        }
        assert alarms == {"pi2": True, "pi3": False}


class TestTheLock:
    def test_is_taken_on_the_first_node_that_is_there(self, holding: HoldingNodes) -> None:
        holding.away = {"pi1"}
        locks = [NodeLock(Sessions(holding), node, "/lock") for node in ("pi1", "pi2", "pi3")]
        FirstThatIsThere(locks).take()
        assert [lock.held for lock in locks] == [False, True, False]
        FirstThatIsThere(locks).take()
        assert holding.scripts == ["pi2"], "one that is held is not taken twice"

    def test_moves_on_when_its_node_is_lost(self, holding: HoldingNodes) -> None:
        locks = [NodeLock(Sessions(holding), node, "/lock") for node in ("pi1", "pi2")]
        FirstThatIsThere(locks).take()
        holding.away = {"pi1"}
        holding.let_go.set()
        while locks[0].held:
            time.sleep(0.01)
        holding.let_go = threading.Event()
        FirstThatIsThere(locks).take()
        assert locks[1].held

    def test_on_no_node_at_all_is_a_missing_node(self, holding: HoldingNodes) -> None:
        holding.away = {"pi1"}
        with pytest.raises(Unreachable):
            FirstThatIsThere([NodeLock(Sessions(holding), "pi1", "/lock")]).take()


def test_a_missing_node_and_a_failed_step_end_in_the_step_s_code(bench: Bench) -> None:
    bench.run.fail("connect", "pi2", AWAY)
    bench.run.fail("k3s", "pi1", StepFailed("no such luck"))
    assert bench.run.exit_code() == 1


def test_only_nodes_that_cannot_be_worked_on_are_missing(bench: Bench) -> None:
    bench.run.absent = {"pi4"}
    bench.run.fail("connect", "pi2", AWAY)
    bench.run.fail("k3s", "pi1", StepFailed("no such luck"))
    bench.run.fail("k3s", CLUSTER, NodeNeeded("pi2 may hold the cluster"))
    assert bench.run.missing == {"pi2", "pi4"}


@pytest.mark.parametrize("forged", ["_frame ² 0", "_frame 0 0; _frame 1 0; _frame 2 0"])
def test_a_node_that_forges_the_end_of_a_script_fails_its_step_and_stops_nobody(
    bench: Bench, forged: str
) -> None:
    broken = on(["pi1"], FileStep("a", how=forged), independent=True)
    sound = on(["pi2"], FileStep("b"), independent=True)
    run_phase(phase(broken, sound), bench.run)
    assert bench.outcomes("pi1") == {"a": "failed"}
    assert bench.outcomes("pi2") == {"b": "changed"}
    (failure,) = [each for each in bench.events if isinstance(each, TargetFailed)]
    assert "its answer makes no sense" in failure.what
