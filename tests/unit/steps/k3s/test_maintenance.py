"""Draining before another version, uncordoning afterwards, restarts that are asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.steps.acting import place
from tests.unit.steps.k3s.looks import NEW, OLD, look, printed

from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Risk,
    Run,
    Satisfied,
)
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
from picluster.steps.k3s.service import (
    RUNNING,
    Arrival,
    AwaitArrival,
    KnownMachine,
    MemberStarted,
    Ready,
    Running,
    start,
)

READY = NodeState("pi1", ready=True, version=OLD, voter=True)
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
    assert drained(version=OLD) == Change(
        "cordon and drain pi1",
        (DrainNode("pi1", f"upgrade to {NEW}", 600, ("DaemonSet",)),),
        reason=f"K3s {OLD} becomes {NEW}",
        risk=Risk.DRAIN,
    )


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
    assert step.decide(look(UNCORDONED, node=CORDONED_BY_US)) == Change(
        "uncordon pi1", (UncordonNode("pi1"),), reason="picluster cordoned it"
    )
    somebodys = NodeState("pi1", ready=True, unschedulable=True)
    assert step.decide(look(UNCORDONED, node=somebodys)) == Satisfied()
    assert step.decide(look(UNCORDONED, node=None)) == Satisfied()


def agent(others: dict[str, object], planned: frozenset[tuple[str, str]]) -> Decision:
    step = Installed("agent", NEW, 900, ["s1"])
    return step.decide(look(INSTALLED, others=others, planned=planned, version=OLD))


def test_an_agent_never_gets_newer_than_a_server() -> None:
    old = {"s1": printed(version=OLD, datastore="etcd")}
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
    survey = dict(seen.survey) | {CLUSTER: {MEMBERS.name: Members(registered)}}
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
    assert running(**UP | facts) == Change(
        f"{'start' if risk is Risk.NONE else 'restart'} k3s.service",
        (start("k3s"), AwaitArrival(ARRIVAL)),
        reason=reason,
        risk=risk,
    )


@pytest.mark.parametrize("written", ["k3s-config", "k3s-registries", "k3s-token", "k3s-installed"])
def test_a_service_whose_files_are_about_to_change_is_restarted_after_that(written: str) -> None:
    planned = frozenset({("pi1", written)})
    decision = Running(ARRIVAL).decide(look("k3s-running", planned=planned, **UP))
    assert isinstance(decision, Change)
    assert decision.reason == "what it reads at start changes"


def test_a_unit_is_enabled_and_started_without_being_waited_for() -> None:
    assert start("k3s").script.split("\n")[1:-1] == [
        "systemctl daemon-reload",
        "systemctl enable --quiet k3s",
        "systemctl reset-failed k3s 2>/dev/null || true",
        "systemctl restart --no-block k3s",
    ]


def member(**facts: str) -> Decision:
    return MemberStarted("k3s").decide(look("k3s-member-started", **facts))


@pytest.mark.parametrize("active", ["inactive", "failed", "deactivating"])
def test_a_member_that_is_stopped_is_started_and_neither_waited_for_nor_asked_again(
    active: str,
) -> None:
    assert member(unit="k3s", datastore="etcd", active=active) == Change(
        "start k3s.service",
        (Run("systemctl start --no-block k3s", timeout=30),),
        reason="it is stopped",
        once=True,
    )


@pytest.mark.parametrize(
    "facts",
    [
        {"unit": "k3s", "datastore": "etcd", "active": "active"},
        {"unit": "k3s", "active": "inactive"},
        {"unit": "k3s-agent", "datastore": "etcd", "active": "inactive"},
    ],
)
def test_nobody_else_is_started_ahead_of_its_turn(facts: dict[str, str]) -> None:
    assert member(**facts) == Satisfied()


def ready(node: NodeState | None, *, planned: bool = False) -> Decision:
    step = Ready(ARRIVAL)
    assert not step.probe().secret
    changes = frozenset({("pi1", RUNNING)} if planned else ())
    return step.decide(look(step.name, node=node, planned=changes))


def test_a_node_that_is_not_ready_is_waited_for() -> None:
    assert ready(NodeState("pi1", ready=False, ready_reason="KubeletNotReady")) == Change(
        "wait until pi1 is Ready",
        (AwaitArrival(ARRIVAL),),
        reason="not Ready: KubeletNotReady",
    )
    assert ready(READY) == Satisfied()
    assert ready(None, planned=True) == Satisfied(detail="not in the cluster yet")


@pytest.mark.parametrize(
    ("state", "missing"),
    [
        (NodeState("pi1", ready=False), "not Ready"),
        (replace(READY, voter=False), "Ready, and still learning etcd's data"),
        (replace(READY, voter=None), "Ready, and K3s does not tell yet whether it votes"),
        (replace(READY, voter=None, version="v1.28.3+k3s2"), ""),
    ],
)
def test_what_a_server_still_lacks_is_said(state: NodeState, missing: str) -> None:
    assert ARRIVAL.missing(state) == missing


def test_an_agent_need_not_vote() -> None:
    assert replace(ARRIVAL, votes=False).missing(replace(READY, voter=False)) == ""


def test_without_a_datastore_worth_of_traces_only_an_unknown_node_may_come() -> None:
    assert known(READY) == Blocked(
        "the cluster has a node pi1 already, and this machine is another one: its card was "
        "re-flashed, or two machines have one name",
        "`picluster node replace pi1` takes the old one out and this one in",
    )


def test_a_server_that_has_to_vote_is_said_to() -> None:
    assert Ready(ARRIVAL).title == "pi1 is Ready and votes"
    assert Ready(replace(ARRIVAL, votes=False)).title == "pi1 is Ready"
