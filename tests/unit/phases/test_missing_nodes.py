"""A command goes on without a node that is missing, and says so in its events and its code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.desk import FILE, Desk, Touched, everywhere
from tests.unit.phases.sites import site_on

from picluster import commands
from picluster.engine.events import RunFinished, TargetFailed
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import HostKeyChanged, NodeError, PreflightRefused, Unreachable
from picluster.model import Cluster, parse
from picluster.operations.restart import restart
from picluster.operations.upgrade import upgrade
from picluster.phases.bootstrap import bootstrap
from picluster.phases.build import build
from picluster.phases.deploy import deploy, repair
from picluster.phases.k3s import k3s
from picluster.phases.longhorn import longhorn
from picluster.phases.preflight import preflight
from picluster.phases.prepare import prepare
from picluster.phases.registry import registry
from picluster.site import Site

AWAY = Unreachable("it cannot be reached over SSH", why="no answer", fix="look at its power")
CHANGED = HostKeyChanged("its host key is not the one that is pinned", fix="replace it")

APPS = """\
registry: {node: pi4}
longhorn: {}
images: {builder: pi3}
opentakserver: {}
"""


def cluster(more: str = "") -> Cluster:
    return parse(FILE + more).cluster


class TestUp:
    def test_brings_the_others_to_what_the_file_says(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = AWAY
        assert commands.operate(desk.site(), everywhere) == 4
        assert desk.touched == ["pi1", "pi3", "pi4"]
        assert desk.failed == [("pi2", AWAY.what)]
        finished = desk.events[-1]
        assert isinstance(finished, RunFinished)
        assert (finished.exit_code, finished.next_command) == (4, "picluster up")

    def test_repairs_what_is_left_once_the_node_is_back(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = AWAY
        made = desk.site()
        assert commands.operate(made, everywhere) == 4
        desk.nodes.refuse.clear()
        assert commands.operate(made, everywhere) == 0
        assert desk.touched == ["pi1", "pi2", "pi3", "pi4"]

    def test_does_nothing_if_nobody_is_there(self, desk: Desk) -> None:
        desk.nodes.refuse = dict.fromkeys(["pi1", "pi2", "pi3", "pi4"], AWAY)
        with pytest.raises(NodeError, match=r"^4 nodes .* nothing was changed on any node"):
            commands.operate(desk.site(), everywhere)
        assert desk.touched == []

    def test_does_nothing_if_all_that_it_is_limited_to_are_missing(self, desk: Desk) -> None:
        desk.nodes.refuse = {"pi2": AWAY, "pi3": AWAY}
        with pytest.raises(NodeError, match="2 nodes"):
            commands.operate(desk.site(only={"pi2", "pi3"}), everywhere)
        assert desk.touched == []

    def test_does_not_mind_a_missing_node_that_it_is_not_about(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = AWAY
        assert commands.operate(desk.site(only={"pi1"}), everywhere) == 0
        assert desk.touched == ["pi1"]

    def test_does_nothing_without_a_node_that_all_of_it_needs(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = AWAY
        with pytest.raises(Unreachable):
            commands.operate(desk.site(required=("pi2",)), everywhere)
        assert desk.touched == []

    def test_goes_on_past_a_changed_host_key_and_raises_the_alarm(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = CHANGED
        assert commands.operate(desk.site(), everywhere) == 4
        assert desk.touched == ["pi1", "pi3", "pi4"]
        assert [each.alarm for each in desk.events if isinstance(each, TargetFailed)] == [True]

    def test_raises_the_alarm_for_a_node_that_it_is_not_about(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = CHANGED
        assert commands.operate(desk.site(only={"pi1"}), everywhere) == 0
        assert desk.failed == [("pi2", CHANGED.what)]

    def test_that_is_refused_for_another_reason_says_that_one(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = AWAY

        def refusing(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
            yield Phase("fit", "fit", (Stage("fit", {"pi1": [Touched(refuses="too old")]}),))

        with pytest.raises(PreflightRefused, match="nothing was changed: pi1: too old"):
            commands.operate(desk.site(), refusing)


class TestLooking:
    def test_plans_for_those_that_are_there_and_names_the_other(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = AWAY
        seen = commands.plan(desk.site("plan"), everywhere)
        assert [item.target for item in seen.plans[0].changes] == ["pi1", "pi3", "pi4"]
        assert seen.missing == seen.unreached == {"pi2": AWAY}
        assert seen.exit_code == 4

    def test_one_that_may_be_absent_is_unreached_and_not_missing(self, desk: Desk) -> None:
        desk.nodes.refuse["pi2"] = AWAY
        seen = commands.plan(desk.site("plan", optional={"pi2"}), everywhere)
        assert (seen.missing, seen.unreached, seen.exit_code) == ({}, {"pi2": AWAY}, 0)

    def test_names_one_that_is_lost_while_it_is_looked_at(self, desk: Desk) -> None:
        desk.nodes.drop_after["pi2"] = 1
        made = desk.site("plan")
        made.sessions.renew = _lost  # type: ignore[method-assign]
        seen = commands.plan(made, everywhere)
        assert [item.target for item in seen.plans[0].changes] == ["pi1", "pi3", "pi4"]
        assert list(seen.missing) == ["pi2"]

    def test_a_plan_of_all_that_would_be_refused_is_5(self, desk: Desk) -> None:
        def refusing(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
            yield Phase("fit", "fit", (Stage("fit", {"pi1": [Touched(refuses="too old")]}),))

        assert commands.plan(desk.site("plan"), refusing).exit_code == 5


def _lost(node: str, lost: object) -> object:
    raise AWAY


def site(more: str = "") -> Site:
    nowhere = Path("/nonexistent")
    return site_on(ShellNodes(nowhere), cluster(more), nowhere)


def stages(*phases: Phase) -> dict[str, Stage]:
    return {f"{phase.name}: {stage.title}": stage for phase in phases for stage in phase.stages}


def needs(phase: Phase) -> dict[str, list[str]]:
    return {stage.title: sorted(stage.needs) for stage in phase.stages if stage.needs}


class TestWhoNeedsWhom:
    @pytest.mark.parametrize(
        "made",
        [
            lambda it: preflight(it.cluster),
            lambda it: prepare(it.cluster),
            bootstrap,
            k3s,
            longhorn,
        ],
        ids=["preflight", "prepare", "bootstrap", "k3s", "longhorn"],
    )
    def test_what_is_done_on_nodes_stops_at_no_missing_one(
        self, made: Callable[[Site], Phase]
    ) -> None:
        closing = "bootstrap: {disable_password_login: true}\n"
        for title, stage in stages(made(site(APPS + closing))).items():
            if set(stage.steps) - {CLUSTER}:
                assert stage.independent or not stage.barrier, f"{title} stops everybody"

    def test_a_registry_needs_its_node(self) -> None:
        assert needs(registry(site(APPS))) == {
            "the registry runs in Docker": ["pi4"],
            "every node can pull from it": ["pi4"],
        }

    def test_a_build_needs_its_builder_and_the_registry(self) -> None:
        phase = build(site(APPS))
        assert needs(phase) == {stage.title: ["pi3", "pi4"] for stage in phase.stages}

    @pytest.mark.parametrize("made", [deploy, repair])
    def test_opentakserver_needs_the_registry_and_the_user_s_own_apps_do_not(
        self, made: Callable[[Site], Phase]
    ) -> None:
        phase = made(site(APPS))
        needy = [stage.title for stage in phase.stages if "pi4" in stage.needs]
        assert needy
        assert all("OpenTAKServer" in title for title in needy)
        assert [stage.title for stage in phase.stages if not stage.needs][-1] == (
            "your applications run"
        )

    def test_opentakserver_is_asked_on_a_server_that_is_there(self) -> None:
        here = site(APPS)
        here.sessions._away["pi1"] = AWAY
        assert list(stages(deploy(here))["deploy: OpenTAKServer answers"].steps) == ["pi2"]

    def test_an_upgrade_begins_with_who_is_there(self) -> None:
        titles = [stage.title for stage in next(iter(upgrade_phases()))]
        assert titles[:4] == [
            "there is a cluster",
            "who keeps the version",
            "the cluster file says where it goes",
            "enough servers are there",
        ]

    @pytest.mark.parametrize(("absent", "said"), [("pi4", "pi4 cannot be reached"), ("pi2", "")])
    def test_an_upgrade_says_which_agent_keeps_its_version(self, absent: str, said: str) -> None:
        phases = {phase.name: phase for phase in upgrade(site(), frozenset({absent}))}
        stage = stages(phases["upgrade"])["upgrade: who keeps the version"]
        (decision,) = [each.decide(Look(CLUSTER, each.name, {})) for each in stage.steps[CLUSTER]]
        assert isinstance(decision, Satisfied)
        assert decision.warning.startswith(said)
        assert bool(decision.warning) == bool(said)
        assert "keeps its version" in decision.warning or not said

    def test_a_restart_of_servers_stops_where_the_guard_refuses(self) -> None:
        (phase,) = restart(site(), frozenset())
        *_, servers, agents = phase.stages
        assert servers.barrier
        assert not servers.independent
        assert list(agents.steps) == ["pi4"]


def upgrade_phases() -> Sequence[Sequence[Stage]]:
    return [phase.stages for phase in upgrade(site(), frozenset()) if phase.name == "upgrade"]
