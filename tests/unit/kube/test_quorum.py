"""The quorum guard. Every row of the tables is a situation that somebody will meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.kube.health import Readyz
from picluster.kube.leases import Life
from picluster.kube.nodes import NodeState
from picluster.kube.quorum import (
    Allowed,
    Refused,
    majority,
    may_disrupt,
    members,
)

OK = Readyz(ok=True)
SICK = Readyz(ok=False, failing=("etcd",), detail="HTTP 500")
SILENT = Readyz(ok=False, answers=False, detail="connection refused")
READYZ = {"ok": OK, "sick": SICK, "silent": SILENT}


def server(name: str, *, ready: bool = True, voter: bool | None = True) -> NodeState:
    return NodeState(
        name,
        ready=ready,
        ready_reason="" if ready else "NodeStatusUnknown",
        roles=frozenset({"control-plane", "etcd"}),
        voter=voter,
        voter_reason="MemberIsLearner" if voter is False else "",
    )


# A server in short: node state, then /readyz. `-` stands for not registered.
NODES: dict[str, Callable[[str], NodeState]] = {
    "up": server,
    "old": lambda name: server(name, voter=None),
    "learner": lambda name: server(name, voter=False),
    "down": lambda name: server(name, ready=False),
    "gone": lambda name: replace(server(name), life=Life(silent=75, lasts=40)),
    "agent": lambda name: NodeState(name, ready=True),
}

Situation = tuple[dict[str, NodeState], dict[str, Readyz], list[str]]


def cluster(text: str) -> Situation:
    """Read `up/ok down/silent`: s1 and s2. A server whose readiness is `?` is not in the file."""
    nodes, ready, expected = {}, {}, []
    for number, each in enumerate(text.split(), 1):
        name = f"s{number}"
        state, answer = each.split("/")
        if state != "-":
            nodes[name] = NODES[state](name)
        if answer != "?":
            expected.append(name)
            ready[name] = READYZ[answer]
    return nodes, ready, expected


ALLOWED = [
    # the situation; what the note says
    ("up/ok up/ok up/ok", ""),
    ("old/ok old/ok old/ok", ""),
    ("up/ok old/ok up/ok", ""),  # in the middle of an upgrade from a version that does not say
    ("up/ok up/ok up/ok up/ok", ""),
    ("up/ok up/ok up/ok up/ok up/ok", ""),
    ("down/silent up/ok up/ok", ""),
    ("down/sick up/ok up/ok", ""),
    ("up/sick up/ok up/ok", ""),
    ("learner/ok up/ok up/ok", ""),
    ("up/ok", "only server"),
    ("old/ok", "only server"),
    ("down/silent", "only server"),
    ("up/ok -/silent -/silent", "only server"),  # about to grow from one to three
    ("down/silent down/silent up/ok", "down already"),
    ("down/silent down/silent up/sick", "down already"),
    ("down/silent up/ok", "down already"),
    ("-/silent up/ok up/ok", "not a server of this cluster yet"),
    ("-/silent up/ok down/silent", "not a server of this cluster yet"),
    ("agent/silent up/ok up/sick", "not a server"),
    ("-/silent", "not a server of this cluster yet"),
    ("up/ok agent/silent", "only server"),
    ("gone/silent gone/silent up/ok", "down already"),
]

REFUSED = [
    # the situation; what the reason names
    ("up/ok up/ok down/silent", "s3 is not Ready (NodeStatusUnknown)"),
    ("up/ok down/ok up/ok", "s2 is not Ready"),
    ("up/ok up/ok gone/ok", "s3 says Ready, and was not heard of for 75 s"),
    ("gone/ok up/ok gone/silent", "s3 says Ready, and was not heard of for 75 s"),
    ("up/ok up/ok up/sick", "s3 has an API that is not ready (etcd)"),
    ("up/ok up/ok up/silent", "s3 has an API that does not answer"),
    ("up/ok up/ok learner/ok", "s3 is still a learner in etcd"),
    ("up/ok up/ok up/?", "s3 is not in the cluster file"),
    ("up/ok up/ok", "1 of 2 servers would work, and 2 are needed"),
    ("up/ok learner/ok", "s2 is still a learner"),
    ("up/ok -/ok", "s2 is just joining"),
    ("up/ok -/sick", "s2 is just joining"),
    ("up/ok up/ok -/ok", "s3 is just joining"),
    ("-/ok up/ok", "1 of 2 servers would work"),  # it may vote already, though it is no node yet
    ("up/ok up/ok up/ok down/silent", "s4 is not Ready"),
    ("up/ok up/ok up/ok up/ok down/silent", "one server at a time"),
    ("up/ok up/ok up/ok down/silent down/silent", "2 of 5 servers would work, and 3 are needed"),
    # One witness alone does not make a server dead: its etcd may well be voting.
    ("up/silent up/ok down/silent", "s3 is not Ready"),
    ("down/sick up/ok down/silent", "s3 is not Ready"),
    ("down/ok up/ok down/silent", "s3 is not Ready"),
]


@pytest.mark.parametrize(("situation", "note"), ALLOWED)
def test_allowed(situation: str, note: str) -> None:
    ruling = may_disrupt("s1", *cluster(situation))
    assert isinstance(ruling, Allowed), ruling
    assert note in ruling.note
    assert bool(note) == bool(ruling.note)


@pytest.mark.parametrize(("situation", "reason"), REFUSED)
def test_refused(situation: str, reason: str) -> None:
    ruling = may_disrupt("s1", *cluster(situation))
    assert isinstance(ruling, Refused), ruling
    assert reason in ruling.reason
    assert ruling.fix


@pytest.mark.parametrize(
    ("situation", "allowed"),
    [
        ("up/ok up/ok up/ok", True),
        ("down/silent up/ok up/ok", True),  # removing the one that died
        ("up/ok", False),
        ("down/silent", False),
        ("down/silent down/silent up/ok", False),  # its data may be all that can be rescued
        ("down/silent up/ok", False),
        ("-/silent up/ok up/ok", True),
    ],
)
def test_where_data_would_be_lost_no_server_is_excused(situation: str, allowed: bool) -> None:
    ruling = may_disrupt("s1", *cluster(situation), destructive=True)
    assert isinstance(ruling, Allowed) is allowed


@pytest.mark.parametrize(
    ("readiness", "destructive", "allowed"),
    [
        ("silent silent silent", False, True),
        ("sick silent sick", False, True),
        ("ok silent silent", False, False),
        ("silent ok silent", False, False),
        ("silent silent silent", True, False),
    ],
)
def test_without_a_list_of_nodes(readiness: str, destructive: bool, allowed: bool) -> None:
    ready = {f"s{n}": READYZ[each] for n, each in enumerate(readiness.split(), 1)}
    ruling = may_disrupt("s1", None, ready, list(ready), destructive=destructive)
    assert isinstance(ruling, Allowed) is allowed


def test_a_server_that_was_not_asked_is_not_touched_blindly() -> None:
    assert isinstance(may_disrupt("s1", None, {}, ["s1"]), Refused)


def test_members() -> None:
    nodes, _, _ = cluster("up/ok old/ok learner/ok agent/ok")
    assert members(nodes) == {"s1", "s2", "s3"}


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_majority(count: int, needed: int) -> None:
    assert majority(count) == needed


states = st.sampled_from([*NODES, "-"])
answers = st.sampled_from([*READYZ, "?"])
situations = st.lists(st.tuples(states, answers).map("/".join), min_size=1, max_size=7).map(
    " ".join
)


@given(situations, st.booleans())
def test_what_remains_is_a_majority(situation: str, destructive: bool) -> None:
    nodes, ready, expected = cluster(situation)
    ruling = may_disrupt("s1", nodes, ready, expected, destructive=destructive)
    joining = {name for name in expected if name not in nodes and ready[name].answers}
    everyone = members(nodes) | joining
    if isinstance(ruling, Refused) or "s1" not in everyone:
        return
    healthy = [
        name
        for name in everyone - {"s1"}
        if name in nodes
        and nodes[name].ready
        and nodes[name].alive
        and nodes[name].voter is not False
        and ready.get(name) == OK
    ]
    alone = everyone == {"s1"} and not destructive
    down = "s1" in nodes and not (nodes["s1"].ready and nodes["s1"].alive)
    silent = down and ready.get("s1") == SILENT
    dead = silent and not destructive
    assert len(healthy) >= majority(len(everyone)) or alone or dead


@given(situations)
def test_a_voter_that_works_is_only_let_go_when_all_others_work(situation: str) -> None:
    nodes, ready, expected = cluster("up/ok " + situation)
    if isinstance(may_disrupt("s1", nodes, ready, expected), Allowed):
        for name in members(nodes) - {"s1"}:
            assert nodes[name].ready
            assert nodes[name].voter is not False
            assert ready[name].ok


@given(situations)
def test_losing_data_is_never_easier(situation: str) -> None:
    nodes, ready, expected = cluster(situation)
    if isinstance(may_disrupt("s1", nodes, ready, expected, destructive=True), Allowed):
        assert isinstance(may_disrupt("s1", nodes, ready, expected), Allowed)


def test_the_ruling_on_a_node_that_is_no_server_says_nothing() -> None:
    nodes, ready, _ = cluster("agent/? up/ok up/sick")
    assert may_disrupt("s1", nodes, ready, ["s2", "s3"]) == Allowed()


def test_what_is_refused_says_who_is_in_trouble_and_whom_to_bring_back() -> None:
    nodes, ready, expected = cluster("up/ok down/silent learner/ok up/ok")
    nodes["s3"] = replace(nodes["s3"], voter_reason="Removed")
    assert may_disrupt("s1", nodes, ready, expected) == Refused(
        "s2 is not Ready (NodeStatusUnknown); s3 does not vote in etcd; "
        "without s1, 1 of 4 servers would work, and 3 are needed",
        "bring s2, s3 back first",
    )


def test_a_cluster_of_two_is_told_that_it_cannot_spare_either() -> None:
    assert may_disrupt("s1", *cluster("up/ok up/ok")) == Refused(
        "without s1, 1 of 2 servers would work, and 2 are needed",
        "let another server join first; a cluster of two cannot spare either of them",
    )


def test_a_sick_api_without_a_failing_check_is_told_by_its_answer() -> None:
    nodes, ready, expected = cluster("up/ok up/ok up/ok")
    ready["s3"] = Readyz(ok=False, detail="HTTP 500")
    ruling = may_disrupt("s1", nodes, ready, expected)
    assert isinstance(ruling, Refused)
    assert "s3 has an API that is not ready (HTTP 500)" in ruling.reason


@pytest.mark.parametrize(
    ("readiness", "though"),
    [
        ("silent ok ok", "though s2, s3 should work"),
        ("silent silent silent", "no server's API works"),
    ],
)
def test_a_blind_refusal_says_who_should_work(readiness: str, though: str) -> None:
    ready = {f"s{n}": READYZ[each] for n, each in enumerate(readiness.split(), 1)}
    assert may_disrupt("s1", None, ready, list(ready), destructive=True) == Refused(
        f"the cluster's nodes could not be read, {though}",
        "bring the servers up first; `journalctl -u k3s` on each says why it is not",
    )


def test_the_only_server_is_told_what_its_loss_means() -> None:
    assert may_disrupt("s1", *cluster("up/ok"), destructive=True) == Refused(
        "s1 is the only server: the cluster and all its data would be gone",
        "reset the whole cluster if that is what you want",
    )
