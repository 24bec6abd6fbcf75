"""A node that leaves: what is done in which state, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.steps.k3s.looks import look, printed

from picluster.engine.step import Blocked, Change, Observation, Risk, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.maintenance import DrainNode
from picluster.steps.k3s.removal import (
    Asked,
    DeleteNode,
    Departed,
    Evacuated,
    Fresh,
    Presence,
    Stopped,
)
from picluster.steps.k3s.state import STATE

READY = NodeState("pi1", ready=True)
CORDONED = NodeState("pi1", ready=True, unschedulable=True)
DOWN = NodeState("pi1", ready=False, ready_reason="NodeStatusUnknown")


def seen(step: Any, presence: Presence | None) -> Any:
    observed = Observation(value=Asked(presence))
    return step.decide(Look(CLUSTER, step.name, {CLUSTER: {step.name: observed}}))


@pytest.mark.parametrize("step", [Evacuated("pi1", 600), Departed("pi1")])
def test_without_an_api_nothing_is_taken_out_blindly(step: Any) -> None:
    assert isinstance(seen(step, None), Blocked)


@pytest.mark.parametrize("presence", [Presence(READY, 0, True), Presence(CORDONED, 2, True)])
def test_a_node_is_cordoned_and_emptied_first(presence: Presence) -> None:
    decision = seen(Evacuated("pi1", 600), presence)
    assert isinstance(decision, Change)
    staying = ("DaemonSet", "InstanceManager")
    assert decision.actions == (DrainNode("pi1", "it leaves the cluster", 600, staying),)
    assert decision.risk is Risk.DRAIN


def test_an_empty_cordoned_node_may_go() -> None:
    assert seen(Evacuated("pi1", 600), Presence(CORDONED, 0, True)) == Satisfied()


def test_a_node_that_is_down_is_not_drained_and_that_is_said() -> None:
    decision = seen(Evacuated("pi1", 600), Presence(DOWN, 0, True))
    assert isinstance(decision, Satisfied)
    assert "it is not drained" in decision.warning


@pytest.mark.parametrize("presence", [Presence(DOWN, 0, False), Presence(None, 0, True)])
def test_object_and_password_both_have_to_go(presence: Presence) -> None:
    decision = seen(Departed("pi1"), presence)
    assert isinstance(decision, Change)
    assert decision.actions == (DeleteNode("pi1"),)
    assert decision.risk is Risk.DATA_LOSS


def test_a_node_that_is_forgotten_is_left_alone() -> None:
    assert seen(Departed("pi1"), Presence(None, 0, False)) == Satisfied()


@pytest.mark.parametrize("facts", [{"active": "active"}, {"enabled": "enabled"}])
def test_a_leaving_nodes_k3s_is_stopped_for_good(facts: dict[str, str]) -> None:
    assert isinstance(Stopped("k3s").decide(look("k3s-stopped", unit="k3s", **facts)), Change)


def test_a_stopped_service_is_left_alone() -> None:
    gone = look("k3s-stopped", unit="k3s", active="inactive", enabled="disabled")
    assert Stopped("k3s").decide(gone) == Satisfied()
    assert Stopped("k3s").decide(look("k3s-stopped")) == Satisfied()


def fresh(**facts: str) -> Any:
    survey = {"pi1": {STATE.name: printed(**facts)}, CLUSTER: {}}
    return Fresh("pi1").decide(Look(CLUSTER, "fresh-machine", survey))


def test_a_machine_that_nobody_has_seen_replaces_nothing() -> None:
    unseen = Fresh("pi1").decide(Look(CLUSTER, "fresh-machine", {CLUSTER: {}}))
    assert isinstance(unseen, Blocked)
    assert unseen.missing == ("pi1",)


def test_only_a_fresh_machine_replaces_a_node() -> None:
    assert fresh() == Satisfied()
    for facts in ({"datastore": "etcd"}, {"joined": "yes"}):
        assert isinstance(fresh(**facts), Blocked)
