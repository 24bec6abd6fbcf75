"""What the API has said is not asked again, as long as nothing is changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.kube.kube_double import Cluster

from picluster.kube.errors import NotFound
from picluster.kube.leases import read_lives
from picluster.kube.nodes import NODES, list_nodes
from picluster.kube.recalled import Answers, Recalled

Start = Callable[[int], Cluster]


def test_readers_share_each_answer(cluster: Cluster) -> None:
    cluster.store.node("s1")
    answers = Answers()
    for _ in range(2):
        assert list(list_nodes(Recalled(cluster.access, answers))) == ["s1"]
    asked = cluster.apis["s1"].requests
    assert len(asked) == len(set(asked)) == 2, asked


def test_an_answer_keeps_the_time_at_which_it_was_given(cluster: Cluster) -> None:
    """Else a Lease that is remembered would look old, and its node dead."""
    api, answers = cluster.apis["s1"], Answers()
    api.date = "Sat, 01 Nov 2025 12:00:00 GMT"
    first = Recalled(cluster.access, answers)
    read_lives(first)
    api.date = "Sat, 01 Nov 2025 12:05:00 GMT"
    cluster.access.call("GET", NODES)
    second = Recalled(cluster.access, answers)
    read_lives(second)
    assert first.clock == second.clock == 1761998400.0


def test_a_refusal_is_not_remembered(cluster: Cluster) -> None:
    path, api = f"{NODES}/s1", Recalled(cluster.access, Answers())
    with pytest.raises(NotFound):
        api.call("GET", path)
    cluster.store.node("s1")
    assert api.call("GET", path)["metadata"]["name"] == "s1"


def test_who_wants_the_first_answer_whatever_it_is_gets_one(cluster: Cluster) -> None:
    api = Recalled(cluster.access, Answers())
    for _ in range(2):
        api.call("GET", NODES, retry=False)
    assert len(cluster.apis["s1"].requests) == 2


def test_a_glimpse_does_not_ask_first_whether_the_server_is_ready(cluster: Cluster) -> None:
    cluster.store.node("s1")
    cluster.apis["s1"].readyz = (500, "not yet")
    assert [each["metadata"]["name"] for each in cluster.access.glimpse(NODES)["items"]] == ["s1"]
    assert cluster.apis["s1"].handshakes == 1


@pytest.mark.parametrize("trouble", ["cut", (503, "starting")])
def test_a_glimpse_that_shows_nothing_good_is_a_read_like_any_other(
    start: Start, trouble: object
) -> None:
    cluster = start(2)
    cluster.store.node("s1")
    cluster.apis["s1"].trouble.append(trouble)
    cluster.apis["s1"].readyz = (500, "[-]etcd failed")
    assert cluster.access.glimpse(NODES)["items"]
    assert cluster.access.connected == "s2"
