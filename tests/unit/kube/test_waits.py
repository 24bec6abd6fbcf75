"""Waiting: verdicts, what is told meanwhile, and what a failure shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from tests.unit.kube.kube_double import ProgressDouble

from picluster.errors import WaitFailed
from picluster.kube.errors import ApiRefused, ApiUnavailable, Tried
from picluster.kube.nodes import NodeState
from picluster.kube.waits import (
    Done,
    Hopeless,
    Verdict,
    Waiting,
    all_ready,
    node_gone,
    node_ready,
    wait_until,
)

T = TypeVar("T")
AWAY = ApiUnavailable([Tried("s1", "tunnel", "connection refused")])


def one_by_one(*values: T | Exception) -> Callable[[], T]:
    rest: Iterator[T | Exception] = iter(values)

    def observe() -> T:
        value = next(rest)
        if isinstance(value, Exception):
            raise value
        return value

    return observe


def enough(count: int) -> Verdict:
    return Done() if count >= 3 else Waiting(f"{count} of 3")


def test_it_returns_the_observation_that_satisfied() -> None:
    progress = ProgressDouble()
    seen = wait_until(
        "three", one_by_one(1, 1, 2, 3), enough, timeout=60, progress=progress, clock=progress.clock
    )
    assert seen == 3
    assert progress.states == ["1 of 3", "2 of 3"]
    assert progress.now == 6.0


def test_what_is_done_already_is_not_waited_for() -> None:
    progress = ProgressDouble()
    wait_until("three", lambda: 3, enough, timeout=0, progress=progress, clock=progress.clock)
    assert progress.now == 0
    assert progress.states == []


def test_none_is_an_observation_too() -> None:
    progress = ProgressDouble()
    judge: Callable[[None], Verdict] = lambda _: Done()  # noqa: E731
    assert wait_until("it", lambda: None, judge, timeout=1, progress=progress) is None


def test_the_api_being_away_is_waiting() -> None:
    progress = ProgressDouble()
    observe = one_by_one(AWAY, AWAY, 3)
    assert (
        wait_until("x", observe, enough, timeout=60, progress=progress, clock=progress.clock) == 3
    )
    assert progress.states == ["the API is away: s1 (tunnel): connection refused"]


def test_a_refusal_is_not() -> None:
    refused = ApiRefused("GET /x", status=403, reason="Forbidden")
    with pytest.raises(ApiRefused):
        wait_until("x", one_by_one(refused), enough, timeout=9, progress=ProgressDouble())


def test_the_time_limit_shows_the_last_state_and_the_evidence() -> None:
    progress = ProgressDouble()
    with pytest.raises(WaitFailed) as caught:
        wait_until(
            "three of them",
            lambda: 2,
            enough,
            timeout=5,
            progress=progress,
            where="s1",
            fix="raise the limit",
            evidence=lambda: "events: none",
            clock=progress.clock,
        )
    assert str(caught.value) == (
        "s1: three of them: not within 5 s\n  why: last seen: 2 of 3\n  fix: raise the limit"
    )
    assert caught.value.evidence == "events: none"
    assert progress.now == 5.0


def test_no_hope_ends_it_at_once() -> None:
    progress = ProgressDouble()
    with pytest.raises(WaitFailed, match="wrong token") as caught:
        wait_until(
            "joining",
            lambda: 0,
            lambda _: Hopeless("wrong token", "fetch it anew"),
            timeout=600,
            progress=progress,
            fix="be patient",
        )
    assert caught.value.fix == "fetch it anew"
    assert progress.now == 0


def test_the_user_can_stop_it() -> None:
    progress = ProgressDouble(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        wait_until("x", lambda: 0, enough, timeout=600, progress=progress, clock=progress.clock)


READY = NodeState("s1", ready=True, version="v2", voter=True)


@pytest.mark.parametrize(
    ("node", "state"),
    [
        (None, "s1 has not registered"),
        (NodeState("s1", ready=False, ready_reason="KubeletNotReady: cni"),
         "s1 is not Ready (KubeletNotReady: cni)"),
        (NodeState("s1", ready=True, version="v1"), "s1 still reports v1, not v2"),
        (NodeState("s1", ready=True, version="v2", voter=False, voter_reason="MemberIsLearner"),
         "s1 does not vote in etcd yet (MemberIsLearner)"),
    ],
)  # fmt: skip
def test_what_one_node_lacks(node: NodeState | None, state: str) -> None:
    nodes = {} if node is None else {"s1": node}
    assert node_ready("s1", "v2", voter=True)(nodes) == Waiting(state)


@pytest.mark.parametrize("voter", [True, None])
def test_a_version_that_does_not_say_who_votes_is_believed(voter: bool | None) -> None:
    seen = {"s1": NodeState("s1", ready=True, version="v2", voter=voter)}
    assert node_ready("s1", "v2", voter=True)(seen) == Done("s1 is Ready")


def test_all_nodes_together() -> None:
    judge = all_ready(["s1", "a1"], "v2", voters=["s1"])
    verdict = judge({"s1": READY})
    assert verdict == Waiting("1 of 2 nodes Ready; a1 has not registered")
    assert judge({"s1": READY, "a1": NodeState("a1", ready=True, version="v2")}) == Done(
        "2 of 2 nodes Ready"
    )


def test_a_node_that_should_go() -> None:
    assert node_gone("s1")({"s1": READY}) == Waiting("s1 is still registered")
    assert node_gone("s1")({}) == Done("s1 is gone")
