"""Draining before another version, uncordoning afterwards, restarts that are asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.steps.acting import place
from tests.unit.steps.k3s.looks import NEW, OLD, look, printed

from picluster.engine.step import Blocked, Change, Decision, Observation, Risk, Satisfied
from picluster.engine.survey import CLUSTER
from picluster.kube.drain import CORDONED
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.install import INSTALLED, Installed
from picluster.steps.k3s.maintenance import (
    DRAINED,
    UNCORDONED,
    Drained,
    DrainNode,
    Uncordoned,
    UncordonNode,
)
from picluster.steps.k3s.nodes import MEMBERS, Members
from picluster.steps.k3s.restart import Restarted
from picluster.steps.k3s.service import Arrival, AwaitArrival, KnownMachine, Running, start

READY = NodeState("pi1", ready=True, version=OLD)
PODS = "/api/v1/namespaces/default/pods"
CORDONED_BY_US = NodeState("pi1", ready=True, unschedulable=True, annotations={CORDONED: "upgrade"})


@pytest.fixture
def api() -> ApiInMemory:
    """A cluster of two nodes, with a pod on each."""
    api = ApiInMemory("pi1", "pi2")
    for name, node in (("here", "pi1"), ("elsewhere", "pi2")):
        spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": []}
        api.create(PODS, "v1", "Pod", name, spec=spec)
    return api


def drained(*, alone: bool = False, node: NodeState | None = READY, **facts: str) -> Decision:
    step = Drained("pi1", NEW, alone, 600)
    return step.decide(look(DRAINED, node=node, **facts))


def test_a_node_is_drained_before_another_version() -> None:
    decision = drained(version=OLD)
    assert isinstance(decision, Change)
    assert decision.actions == (DrainNode("pi1", f"upgrade to {NEW}", 600),)
    assert decision.risk is Risk.DRAIN
    assert OLD in decision.reason


def test_a_drain_lets_no_new_pods_on_before_it_moves_the_others(api: ApiInMemory) -> None:
    DrainNode("pi1", "upgrade", 60).perform(place(api, target="pi1"))
    kept = api.get("/api/v1/nodes/pi1")
    assert kept["spec"]["unschedulable"] is True
    assert kept["metadata"]["annotations"][CORDONED] == "upgrade"
    assert [each["metadata"]["name"] for each in api.get(PODS)["items"]] == ["elsewhere"]
    UncordonNode("pi1").perform(place(api, target="pi1"))
    free = api.get("/api/v1/nodes/pi1")
    assert not free["spec"].get("unschedulable")
    assert CORDONED not in free["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("node", "alone", "version"),
    [
        (READY, False, NEW),
        (READY, False, ""),
        (READY, True, OLD),
        (None, False, OLD),
        (NodeState("pi1", ready=False), False, OLD),
    ],
    ids=["same version", "no K3s yet", "the only node", "not in the cluster", "not Ready"],
)
def test_what_needs_no_drain_gets_none(node: NodeState | None, alone: bool, version: str) -> None:
    assert drained(alone=alone, node=node, version=version) == Satisfied()


def test_only_our_own_cordon_is_taken_away() -> None:
    step = Uncordoned("pi1")
    decision = step.decide(look(UNCORDONED, node=CORDONED_BY_US))
    assert isinstance(decision, Change)
    assert decision.actions == (UncordonNode("pi1"),)
    somebodys = NodeState("pi1", ready=True, unschedulable=True)
    assert step.decide(look(UNCORDONED, node=somebodys)) == Satisfied()
    assert step.decide(look(UNCORDONED, node=None)) == Satisfied()


def agent(others: dict[str, Observation], planned: frozenset[tuple[str, str]]) -> Decision:
    step = Installed("agent", NEW, 900, ["s1"])
    return step.decide(look(INSTALLED, others=others, planned=planned, version=OLD))


def test_an_agent_never_gets_newer_than_a_server() -> None:
    old = {"s1": printed(version=OLD)}
    refused = agent(old, frozenset())
    assert isinstance(refused, Blocked)
    assert "newer than s1" in refused.reason
    assert isinstance(agent(old, frozenset({("s1", INSTALLED)})), Change)
    assert isinstance(agent({"s1": printed(version=NEW)}, frozenset()), Change)


ARRIVAL = Arrival("pi1", "k3s", "", True, 900)


def restarted(**facts: str) -> Decision:
    step = Restarted(ARRIVAL)
    return step.decide(look(step.name, **facts))


def test_a_restart_that_is_asked_for_happens_once() -> None:
    assert restarted(unit="k3s") == Change(
        "restart k3s.service",
        (start("k3s"), AwaitArrival(ARRIVAL)),
        reason="asked for; pods go on meanwhile",
        risk=Risk.RESTART,
        retry_safe=True,
        once=True,
    )


@pytest.mark.parametrize("facts", [{}, {"unit": "k3s-agent"}])
def test_what_is_not_installed_cannot_be_restarted(facts: dict[str, str]) -> None:
    assert isinstance(restarted(**facts), Blocked)


def known(node: NodeState | None, **facts: str) -> Decision:
    return KnownMachine("pi1").decide(look("known-machine", node=node, **facts))


def test_a_machine_that_lost_its_traces_is_another_one() -> None:
    decision = known(READY)
    assert isinstance(decision, Blocked)
    assert "picluster node replace pi1" in decision.fix


@pytest.mark.parametrize("facts", [{"password": "yes"}, {"joined": "yes"}, {"datastore": "etcd"}])
def test_a_machine_with_its_traces_is_the_same(facts: dict[str, str]) -> None:
    assert known(READY, **facts) == Satisfied()


def test_a_machine_that_the_cluster_does_not_know_may_join() -> None:
    assert known(None) == Satisfied()


def test_any_version_will_do_after_a_restart() -> None:
    arrival = Arrival("pi1", "k3s", "", False, 900)
    assert arrival.missing(READY) == ""
    assert "at " + OLD in Arrival("pi1", "k3s", NEW, False, 9).missing(READY)


def test_an_agent_is_not_made_newer_than_a_server_that_nobody_has_seen() -> None:
    step = Installed("agent", NEW, 900, before=["pi2", "pi3"])
    seen = look(INSTALLED, others={"pi2": printed(version=NEW)}, version=OLD, unit="k3s-agent")
    registered = {"pi3": NodeState("pi3", ready=False, version=OLD)}
    survey = dict(seen.survey) | {CLUSTER: {MEMBERS.name: Observation(value=Members(registered))}}
    refused = step.decide(replace(seen, survey=survey))
    assert isinstance(refused, Blocked)
    assert "newer than pi3" in refused.reason
    assert refused.missing == ("pi3",)


def running(**facts: str) -> Decision:
    return Running(ARRIVAL).decide(look("k3s-running", **facts))


UP = {"unit": "k3s", "active": "active", "enabled": "enabled", "loaded": "a", "on_disk": "a"}


def test_a_service_that_runs_with_what_is_on_disk_is_left_alone() -> None:
    assert running(**UP) == Satisfied()


@pytest.mark.parametrize(
    ("facts", "reason", "risk"),
    [
        ({"on_disk": "b"}, "what it read at start has changed since", Risk.RESTART),
        ({"enabled": "disabled"}, "it would not start at boot", Risk.RESTART),
        ({"active": "inactive"}, "it is stopped", Risk.NONE),
    ],
)
def test_any_other_is_started_anew_and_waited_for(
    facts: dict[str, str], reason: str, risk: Risk
) -> None:
    decision = running(**UP | facts)
    assert isinstance(decision, Change)
    assert (decision.reason, decision.risk) == (reason, risk)
    assert decision.actions == (start("k3s"), AwaitArrival(ARRIVAL))
