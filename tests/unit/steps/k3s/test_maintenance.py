"""Draining before another version, uncordoning afterwards, restarts that are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.steps.k3s.looks import NEW, OLD, look, printed

from picluster.engine.pool import Sessions
from picluster.engine.step import Blocked, Change, Decision, Observation, Risk, Satisfied
from picluster.engine.survey import CLUSTER
from picluster.kube.drain import CORDONED
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.install import INSTALLED, Installed
from picluster.steps.k3s.maintenance import DRAINED, UNCORDONED, Drained, Uncordoned
from picluster.steps.k3s.nodes import NODES
from picluster.steps.k3s.restart import Restarted
from picluster.steps.k3s.service import Arrival, KnownMachine


class NoConnector:
    """Nothing here may connect anywhere."""

    traffic: Any = None

    def connect(self, node: str) -> Any:
        raise AssertionError(f"a decision connected to {node}")


SESSIONS = Sessions(NoConnector())
API = ClusterApi((), SESSIONS, Path("/nonexistent"))
READY = NodeState("pi1", ready=True, version=OLD)
CORDONED_BY_US = NodeState("pi1", ready=True, unschedulable=True, annotations={CORDONED: "upgrade"})


def drained(*, alone: bool = False, node: NodeState | None = READY, **facts: str) -> Decision:
    step = Drained("pi1", NEW, alone, 600, API)
    return step.decide(look(DRAINED, node=node, **facts))


def test_a_node_is_drained_before_another_version() -> None:
    decision = drained(version=OLD)
    assert isinstance(decision, Change)
    assert decision.risk is Risk.DRAIN
    assert OLD in decision.reason


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
    step = Uncordoned("pi1", API)
    assert isinstance(step.decide(look(UNCORDONED, node=CORDONED_BY_US)), Change)
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


def restarted(served: str, **facts: str) -> Decision:
    arrival = Arrival("pi1", "k3s", "", True, 900, SESSIONS, API)
    step = Restarted(arrival, "request-2")
    return step.decide(look(step.name, own=Observation(out=served), **facts))


def test_a_request_to_restart_is_served_once() -> None:
    decision = restarted("request-1", unit="k3s")
    assert isinstance(decision, Change)
    assert decision.risk is Risk.RESTART
    assert restarted("request-2", unit="k3s") == Satisfied()


@pytest.mark.parametrize("facts", [{}, {"unit": "k3s-agent"}])
def test_what_is_not_installed_cannot_be_restarted(facts: dict[str, str]) -> None:
    assert isinstance(restarted("", **facts), Blocked)


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
    arrival = Arrival("pi1", "k3s", "", False, 900, SESSIONS, API)
    assert arrival.missing(READY) == ""
    assert "at " + OLD in Arrival("pi1", "k3s", NEW, False, 9, SESSIONS, API).missing(READY)


def test_an_agent_is_not_made_newer_than_a_server_that_nobody_has_seen() -> None:
    step = Installed("agent", NEW, 900, before=["pi2", "pi3"])
    seen = look(INSTALLED, others={"pi2": printed(version=NEW)}, version=OLD, unit="k3s-agent")
    registered = {"pi3": NodeState("pi3", ready=False, version=OLD)}
    survey = dict(seen.survey) | {CLUSTER: {NODES: Observation(value=registered)}}
    refused = step.decide(replace(seen, survey=survey))
    assert isinstance(refused, Blocked)
    assert "newer than pi3" in refused.reason
    assert refused.missing == ("pi3",)
