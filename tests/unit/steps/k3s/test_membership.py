"""Who starts the cluster is decided from what the servers hold, never by list order alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from picluster.steps.k3s.membership import Joins, Split, Starts, membership
from picluster.steps.k3s.state import K3sState

SERVERS = ["pi1", "pi2", "pi3"]


def holder(cluster: str = "ca-1", *, active: bool = True) -> K3sState:
    return K3sState(datastore="etcd", cluster=cluster, active=active)


def test_the_first_server_starts_a_cluster_that_nobody_has() -> None:
    assert membership("pi1", SERVERS, {}, None) == Starts()


def test_the_others_join_the_first_when_nobody_has_a_cluster() -> None:
    assert membership("pi2", SERVERS, {}, None) == Joins("pi1")
    assert membership("agent", SERVERS, {}, None) == Joins("pi1")


def test_a_reimaged_first_server_joins_the_cluster_that_the_others_hold() -> None:
    states = {"pi1": K3sState(), "pi2": holder(), "pi3": holder()}
    assert membership("pi1", SERVERS, states, None) == Joins("pi2")


def test_joiners_prefer_a_server_that_runs() -> None:
    states = {"pi1": holder(active=False), "pi2": holder()}
    assert membership("pi3", SERVERS, states, None) == Joins("pi2")


def test_a_member_keeps_the_server_that_it_once_joined_through() -> None:
    states = {server: holder() for server in SERVERS}
    assert membership("pi2", SERVERS, states, "pi3") == Joins("pi3")


def test_a_member_whose_server_left_the_file_needs_none() -> None:
    states = {server: holder() for server in SERVERS}
    assert membership("pi2", SERVERS, states, None) == Starts()


def test_a_member_does_not_join_through_itself_or_somebody_else_s_server() -> None:
    states = {server: holder() for server in SERVERS}
    assert membership("pi2", SERVERS, states, "pi2") == Starts()
    assert membership("pi2", SERVERS, states, "stranger") == Starts()


def test_an_agent_keeps_its_server_while_that_is_a_member() -> None:
    states = {server: holder() for server in SERVERS}
    assert membership("agent", SERVERS, states, "pi3") == Joins("pi3")


def test_an_agent_leaves_a_server_that_lost_its_data() -> None:
    states = {"pi1": holder(), "pi2": holder(), "pi3": K3sState()}
    assert membership("agent", SERVERS, states, "pi3") == Joins("pi1")


def test_an_agent_that_has_joined_keeps_a_server_that_nobody_has_seen() -> None:
    states = {"pi1": holder(), "pi2": holder(), "agent": K3sState(joined=True)}
    assert membership("agent", SERVERS, states, "pi3") == Joins("pi3")


def test_an_agent_that_is_still_to_join_takes_a_server_that_is_there() -> None:
    states = {"pi1": holder(), "pi2": holder(), "agent": K3sState()}
    assert membership("agent", SERVERS, states, "pi3") == Joins("pi1")


def test_servers_with_different_clusters_are_refused_with_who_holds_what() -> None:
    states = {"pi1": holder("ca-1"), "pi2": holder("ca-2"), "pi3": holder("ca-2")}
    assert membership("pi1", SERVERS, states, None) == Split((("pi1",), ("pi2", "pi3")))


def test_data_of_an_interrupted_first_start_is_no_second_cluster() -> None:
    states = {"pi1": holder(""), "pi2": holder("ca-1")}
    assert not isinstance(membership("pi3", SERVERS, states, None), Split)


STATES = st.dictionaries(
    st.sampled_from(SERVERS),
    st.builds(
        K3sState,
        active=st.booleans(),
        datastore=st.sampled_from(["none", "etcd", "sqlite"]),
        cluster=st.sampled_from(["", "ca-1"]),
    ),
)


@given(states=STATES, current=st.one_of(st.none(), st.sampled_from(SERVERS)))
def test_at_most_one_server_without_data_ever_starts_a_cluster(
    states: dict[str, K3sState], current: str | None
) -> None:
    starters = [
        server
        for server in SERVERS
        if membership(server, SERVERS, states, current if current != server else None) == Starts()
        and not states.get(server, K3sState()).in_cluster
    ]
    holders = [server for server, state in states.items() if state.in_cluster]
    assert len(starters) <= (0 if holders else 1), f"{starters} would fork the cluster of {holders}"


@given(states=STATES, node=st.sampled_from([*SERVERS, "agent"]))
def test_nobody_joins_through_itself(states: dict[str, K3sState], node: str) -> None:
    decided = membership(node, SERVERS, states, None)
    assert decided != Joins(node)
