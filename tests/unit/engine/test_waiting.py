"""Waiting: verdicts, what is told meanwhile, and what a failure shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from tests.doubles.node_answers import NodeAnswers
from tests.doubles.progress import ProgressDouble

from picluster.engine.place import Place, Tools
from picluster.engine.probe import ShellProbe
from picluster.engine.step import Act
from picluster.engine.waiting import Done, Hopeless, Lasting, Verdict, Wait, Waiting, wait_until
from picluster.errors import Unavailable, Unreachable, Unreadable, WaitFailed
from picluster.kube.errors import ApiRefused, ApiUnavailable, Tried

T = TypeVar("T")
WAITS = Waiting("not yet")
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
    seen = wait_until("three", one_by_one(1, 1, 2, 3), enough, timeout=60, progress=progress)
    assert seen == 3
    assert progress.states == ["1 of 3", "2 of 3"]
    assert progress.now == 6.0


def test_what_is_done_already_is_not_waited_for() -> None:
    progress = ProgressDouble()
    wait_until("three", lambda: 3, enough, timeout=0, progress=progress)
    assert progress.now == 0
    assert progress.states == []


def test_none_is_an_observation_too() -> None:
    progress = ProgressDouble()
    judge: Callable[[None], Verdict] = lambda _: Done()  # noqa: E731
    assert wait_until("it", lambda: None, judge, timeout=1, progress=progress) is None


def test_the_api_being_away_is_waiting() -> None:
    progress = ProgressDouble()
    observe = one_by_one(AWAY, AWAY, 3)
    assert wait_until("x", observe, enough, timeout=60, progress=progress) == 3
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
        wait_until("x", lambda: 0, enough, timeout=600, progress=progress)


# ------------------------------------------------------------ what waiting does not cure


class Watch:
    """Something watched every two seconds; `seen(second)` is what it shows then."""

    def __init__(self, seen: Callable[[float], Verdict | Exception]) -> None:
        self.progress = ProgressDouble()
        self.seen = seen

    def observe(self) -> Verdict:
        now = self.seen(self.progress.now)
        if isinstance(now, Exception):
            raise now
        return now

    def wait(self, timeout: float = 600) -> float:
        """Wait for it, and return how many seconds that took; a failure is raised."""
        wait_until(
            "it does not come", self.observe, lambda now: now, timeout=timeout,
            progress=self.progress, fix="be patient",
        )  # fmt: skip
        return self.progress.now


def pulling(words: str, kind: str = "image") -> Waiting:
    return Waiting(words, [Lasting(kind, f"no image: {words}", "push it", patience=30)])


def test_a_trouble_that_waiting_does_not_cure_ends_it_once_it_has_lasted() -> None:
    watch = Watch(lambda _: pulling("ErrImagePull"))
    with pytest.raises(WaitFailed, match="waiting longer is in vain") as caught:
        watch.wait()
    assert watch.progress.now == 30
    assert (caught.value.why, caught.value.fix) == ("no image: ErrImagePull", "push it")


def test_it_is_one_trouble_whatever_words_it_is_told_in() -> None:
    words = ("ErrImagePull", "ImagePullBackOff")
    watch = Watch(lambda second: pulling(words[int(second) // 10 % 2]))
    with pytest.raises(WaitFailed):
        watch.wait()
    assert watch.progress.now == 30


def test_a_trouble_that_goes_and_comes_back_starts_anew() -> None:
    watch = Watch(lambda second: Waiting("pulling") if second == 28 else pulling("ErrImagePull"))
    with pytest.raises(WaitFailed):
        watch.wait()
    assert watch.progress.now == 60


def test_another_trouble_has_a_patience_of_its_own() -> None:
    watch = Watch(lambda second: pulling("x", kind=f"image of pod {second // 20}"))
    with pytest.raises(WaitFailed, match="not within 100 s"):
        watch.wait(100)


def test_not_being_able_to_look_is_no_sign_that_a_trouble_is_gone() -> None:
    watch = Watch(lambda second: AWAY if second == 28 else pulling("ErrImagePull"))
    with pytest.raises(WaitFailed):
        watch.wait()
    assert watch.progress.now == 30


def test_at_the_time_limit_the_present_trouble_names_the_fix() -> None:
    with pytest.raises(WaitFailed, match="not within 10 s") as caught:
        Watch(lambda _: pulling("ErrImagePull")).wait(10)
    assert caught.value.fix == "push it"


# ------------------------------------------------------------------ what cannot be looked at


def test_whatever_cannot_be_asked_right_now_is_waited_for() -> None:
    away = Unavailable("the registry restarts", why="connection refused")
    watch = Watch(lambda second: away if second < 300 else Done())
    assert watch.wait() == 300
    assert watch.progress.states == ["the registry restarts: connection refused"]


def test_half_an_answer_is_asked_for_again() -> None:
    watch = Watch(lambda second: Unreadable("it has no `code`") if second < 10 else Done())
    assert watch.wait() == 10
    assert watch.progress.states == ["its answer makes no sense: it has no `code`"]


def test_a_node_may_be_away_for_as_long_as_a_restart_takes() -> None:
    lost = Unreachable("the connection was lost", where="pi1", why="reset by peer")
    watch = Watch(lambda second: lost if 10 <= second < 100 else Done() if second > 100 else WAITS)
    assert watch.wait() == 102
    assert watch.progress.states == [
        "not yet",
        "pi1: the connection was lost: reset by peer",
        "not yet",
    ]


def test_a_node_that_stays_away_is_the_failure() -> None:
    watch = Watch(lambda _: Unreachable("the connection was lost", where="pi1"))
    with pytest.raises(Unreachable):
        watch.wait()
    assert watch.progress.now == 120


def test_evidence_that_cannot_be_had_does_not_hide_the_failure() -> None:
    def no_evidence() -> str:
        raise AWAY

    with pytest.raises(WaitFailed, match="not within 0 s") as caught:
        wait_until(
            "x", lambda: 0, enough, timeout=0, progress=ProgressDouble(), evidence=no_evidence
        )
    assert "the Kubernetes API is not available" in caught.value.evidence


# ------------------------------------------------------------------ the action


def seen_by(wait: Wait[str], answer: Callable[[str], str]) -> ProgressDouble:
    """Carry a wait out on a node that answers so, and return what was told."""
    progress = ProgressDouble()
    wait.perform(Place("pi1", NodeAnswers(answer).sessions, Tools(), progress))
    return progress


DOOR = Wait(
    "waiting for the door",
    "the door does not open",
    ShellProbe("door", "cat door", lambda seen: seen.out),
    lambda door: Done() if door == "open" else Waiting(f"the door is {door}"),
    timeout=20,
    fix="push it",
    evidence="cat log",
)


def test_a_wait_is_an_action_that_looks_until_its_judge_is_content() -> None:
    states = iter(["shut", "shut", "ajar", "open"])
    progress = seen_by(DOOR, lambda _: next(states))
    assert progress.states == ["the door is shut", "the door is ajar"]
    assert isinstance(DOOR, Act)
    assert DOOR.title == "waiting for the door"


def test_its_failure_names_the_node_the_last_state_and_the_evidence() -> None:
    with pytest.raises(WaitFailed) as caught:
        seen_by(DOOR, lambda script: "it creaked" if script == "cat log" else "shut")
    assert str(caught.value) == (
        "pi1: the door does not open: not within 20 s\n"
        "  why: last seen: the door is shut\n  fix: push it"
    )
    assert caught.value.evidence == "it creaked"
