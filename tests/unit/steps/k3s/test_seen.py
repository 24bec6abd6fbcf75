"""A server that was not seen is not an empty one, and not a healthy one either."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.unit.steps.k3s.looks import NEW, OLD, printed

from picluster.engine.step import Blocked, Observation, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.nodes import MEMBERS, Members
from picluster.steps.k3s.seen import ServersSeen
from picluster.steps.k3s.state import STATE

SERVERS = ["pi1", "pi2", "pi3"]
EMPTY = printed()
HOLDS = printed(version=NEW, datastore="etcd", ca="ca-1", active="active")
INTERRUPTED = printed(version=NEW, datastore="etcd")
OLDER = printed(version=OLD, datastore="etcd", ca="ca-1", active="active")
AN_AGENT = printed(version=NEW, joined="yes", active="active")


def decide(
    seen: Mapping[str, object], *, answers: bool = True, servers: list[str] = SERVERS
) -> Satisfied | Blocked:
    nodes = {name: NodeState(name, ready=True) for name in servers} if answers else None
    survey = {name: {STATE.name: state} for name, state in seen.items()}
    survey[CLUSTER] = {MEMBERS.name: Members(nodes)}
    decision = ServersSeen(servers, NEW).decide(Look(CLUSTER, "servers-seen", survey))
    assert isinstance(decision, Satisfied | Blocked)
    return decision


@pytest.mark.parametrize(
    "seen",
    [dict.fromkeys(SERVERS, EMPTY), dict.fromkeys(SERVERS, HOLDS), dict.fromkeys(SERVERS, OLDER)],
    ids=["bare", "a cluster", "an older cluster"],
)
@pytest.mark.parametrize("answers", [True, False])
def test_nothing_is_refused_while_all_are_seen(seen: Mapping[str, object], answers: bool) -> None:
    assert isinstance(decide(seen, answers=answers), Satisfied)


def test_one_server_of_a_cluster_may_be_missing() -> None:
    assert isinstance(decide({"pi1": HOLDS, "pi2": HOLDS}), Satisfied)


@pytest.mark.parametrize("missing", SERVERS)
@pytest.mark.parametrize("there", [EMPTY, INTERRUPTED], ids=["bare", "a first start cut off"])
def test_no_cluster_is_started_while_one_that_is_missing_may_hold_it(
    missing: str, there: Observation
) -> None:
    seen = {name: there for name in SERVERS if name != missing} | {"agent": AN_AGENT}
    refused = decide(seen, answers=False)
    assert isinstance(refused, Blocked)
    assert refused.missing == (missing,)
    assert f"{missing} cannot be reached, and may hold the cluster" in refused.reason
    assert "taken out of the cluster file" in refused.fix


def test_without_a_majority_and_an_answer_waiting_is_in_vain() -> None:
    refused = decide({"pi1": HOLDS}, answers=False)
    assert isinstance(refused, Blocked)
    assert refused.missing == ("pi2", "pi3")
    assert "1 of 3 servers are there, and 2 are needed" in refused.reason


def test_servers_that_answer_each_other_are_only_not_reached_from_here() -> None:
    assert isinstance(decide({"pi1": HOLDS}, answers=True), Satisfied)


def test_a_cluster_that_is_merely_stopped_may_be_started() -> None:
    assert isinstance(decide({"pi1": HOLDS, "pi2": HOLDS}, answers=False), Satisfied)


def test_no_version_is_changed_while_a_server_is_missing() -> None:
    refused = decide({"pi1": HOLDS, "pi2": OLDER})
    assert isinstance(refused, Blocked)
    assert refused.missing == ("pi3",)
    assert f"pi2 would get K3s {NEW}, but pi3 cannot be reached" in refused.reason


def test_a_server_that_is_new_is_no_reason_to_refuse() -> None:
    assert isinstance(decide({"pi1": HOLDS, "pi2": EMPTY}), Satisfied)
