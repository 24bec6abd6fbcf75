"""What the servers that answer now mean for the cluster."""

from __future__ import annotations

import pytest

from picluster.kube.nodes import NodeState
from picluster.kube.votes import Votes, count_votes

SERVERS = ["pi1", "pi2", "pi3"]


def node(name: str, *, voter: bool | None = True, reason: str = "") -> NodeState:
    roles = frozenset({"control-plane"})
    return NodeState(name, ready=True, voter=voter, voter_reason=reason, roles=roles)


def cluster(*names: str, **states: NodeState) -> dict[str, NodeState]:
    return {name: node(name) for name in names} | states


@pytest.mark.parametrize(
    ("answering", "said"),
    [
        ("pi1 pi2 pi3", "3 of 3 servers answer"),
        ("pi1 pi3", "2 of 3 servers answer; the next loss stops the cluster"),
        ("pi2", "1 of 3 servers answer; 2 are needed"),
        ("", "0 of 3 servers answer; 2 are needed"),
    ],
)
def test_how_many_answer_and_what_that_means(answering: str, said: str) -> None:
    found = count_votes(SERVERS, answering.split(), cluster(*SERVERS))
    assert found.in_words == said


def test_five_can_lose_two() -> None:
    five = [f"pi{number}" for number in range(1, 6)]
    assert count_votes(five, five[1:], cluster(*five)).in_words == "4 of 5 servers answer"
    assert "next loss" in count_votes(five, five[2:], cluster(*five)).in_words


def test_a_learner_is_no_member_that_etcd_waits_for() -> None:
    learner = node("pi3", voter=False, reason="MemberIsLearner")
    found = count_votes(SERVERS, SERVERS, cluster("pi1", "pi2", pi3=learner))
    assert found == Votes(3, 3, 2, needed=2)
    assert found.in_words == "3 of 3 servers answer, 2 vote; the next loss stops the cluster"


def test_a_member_that_left_the_file_is_one_that_etcd_waits_for() -> None:
    found = count_votes(SERVERS, SERVERS, cluster(*SERVERS, "old", "older"))
    assert found == Votes(3, 3, 3, needed=3)


def test_a_server_that_is_still_to_join_does_not_vote() -> None:
    assert count_votes(SERVERS, ["pi1"], cluster("pi1")) == Votes(3, 1, 1, needed=1)


def test_where_k3s_does_not_say_who_votes_whoever_answers_does() -> None:
    silent = {name: node(name, voter=None) for name in SERVERS}
    assert count_votes(SERVERS, ["pi1", "pi2"], silent) == Votes(3, 2, 2, needed=2)
