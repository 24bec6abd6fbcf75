"""Waiting for K3s on a node: what is told, what ends it, and what a failure shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.doubles.node_answers import NodeAnswers
from tests.doubles.progress import ProgressDouble
from tests.unit.steps.acting import place

from picluster.engine.probe import Observation
from picluster.engine.waiting import Done, Verdict, Waiting
from picluster.errors import PiclusterError, Unreachable, Unreadable, WaitFailed
from picluster.kube.errors import ApiRefused, ApiUnavailable, Tried
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.service import Arrival
from picluster.steps.k3s.unit import UnitState, read_unit
from picluster.steps.k3s.watch import Sight, judge

RUNS = UnitState("active", "running", started=1000.0)
READY = NodeState("pi1", ready=True, version="v1")
PORT = 'level=fatal msg="listen tcp :6443: bind: address already in use"'
JOINING = 'level=fatal msg="dial tcp 10.0.0.11:6443: connect: connection refused"'
PUZZLE = 'level=fatal msg="the moon is in the wrong place"'


# ------------------------------------------------------------------ the unit


def unit_of(*lines: str) -> UnitState:
    return read_unit(Observation(out="\n".join(lines)))


def test_a_unit_is_read_as_systemd_prints_it() -> None:
    unit = unit_of(
        "ActiveState=activating",
        "SubState=auto-restart",
        "Result=exit-code",
        "NRestarts=4",
        "ExecMainStatus=1",
        "ExecMainStartTimestampMonotonic=90000000",
        "uptime=100.5",
        "now=1700000000",
        "flannel=1699999999",
    )
    assert unit == UnitState(
        "activating",
        "auto-restart",
        "exit-code",
        4,
        1,
        started=1700000000 - 10.5,
        now=1700000000,
        flannel=1699999999,
    )
    assert unit.words == "ended with status 1; systemd is about to start it again"
    assert not unit.runs


@pytest.mark.parametrize("lines", [(), ("NRestarts=", "Job=", "flannel=")])
def test_what_is_not_said_counts_as_nothing(lines: tuple[str, ...]) -> None:
    assert unit_of(*lines) == UnitState()


@pytest.mark.parametrize("line", ["NRestarts=²", "uptime=nan", "now=--5"])
def test_nonsense_is_no_unit(line: str) -> None:
    with pytest.raises(Unreadable):
        unit_of(line)


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (RUNS, ""),
        (replace(RUNS, busy=True), "about to be restarted"),
        (UnitState("activating", "start"), "starting"),
        (UnitState("deactivating", "stop-sigterm"), "stopping"),
        (UnitState("inactive", "dead"), "stopped"),
        (UnitState("failed", "failed", "oom-kill"), "failed (oom-kill)"),
    ],
)
def test_what_a_unit_is_doing_in_words(unit: UnitState, words: str) -> None:
    assert unit.words == words


# ------------------------------------------------------------------ the verdict


def seen(unit: UnitState = RUNS, **more: object) -> Verdict:
    return judge(replace(Sight("pi1", "k3s", unit), **more))  # type: ignore[arg-type]


def test_a_node_that_misses_nothing_is_done() -> None:
    assert seen() == Done()
    assert seen(missing="not Ready") == Waiting("k3s on pi1: not Ready", [])


def test_attempts_are_counted_for_the_user() -> None:
    verdict = seen(missing="starting", restarts=2, attempts=PUZZLE)
    assert isinstance(verdict, Waiting)
    assert verdict.state == "k3s on pi1: starting, started 3 times so far"


# ------------------------------------------------------------------ the wait


class Node:
    """A node on which K3s starts, as `systemctl` and `journalctl` tell of it.

    `unit(second)` is the unit, `said(second)` all that its journal has by then.
    """

    def __init__(
        self,
        unit: Callable[[float], UnitState],
        said: Callable[[float], str] = lambda _: "",
        node: Callable[[float], NodeState | None] = lambda _: READY,
    ) -> None:
        self.progress = ProgressDouble()
        self.unit, self.said, self.state = unit, said, node
        self.answers = NodeAnswers(self._answer)

    def _answer(self, script: str) -> str:
        now = self.progress.now
        if "systemctl show" not in script:
            return self.said(now)
        unit = self.unit(now)
        shown = [
            f"ActiveState={unit.active}",
            f"SubState={unit.sub}",
            f"NRestarts={unit.restarts}",
            f"ExecMainStatus={unit.status}",
            *(["Job=17"] if unit.busy else []),
        ]
        restarts_changed = f"!= {unit.restarts} ]" not in script
        if "journalctl" in script and ("if true" in script or restarts_changed):
            shown += [
                "-- all attempts --",
                self.said(now),
                "-- the last seconds --",
                self.said(now),
            ]
        return "\n".join(shown) + "\n"

    def node(self, name: str) -> NodeState | None:
        return self.state(self.progress.now)

    find = node

    def lease(self, name: str) -> None:
        return None

    def wait(self, timeout: float = 900) -> float:
        """Return after how many seconds it arrived."""
        at = replace(
            place(self, target="pi1", sessions=self.answers.sessions), progress=self.progress
        )
        Arrival("pi1", "k3s", "v1", False, timeout).follow(at)
        return self.progress.now

    def failure(self, timeout: float = 900) -> WaitFailed:
        with pytest.raises(WaitFailed) as caught:
            self.wait(timeout)
        return caught.value


def crashing(every: float) -> Callable[[float], UnitState]:
    """A unit that ends with status 1 after half of so many seconds, and is started again."""

    def unit(now: float) -> UnitState:
        up = now % every < every / 2
        return UnitState("activating", "start" if up else "auto-restart", "exit-code",
                         int(now // every), 1)  # fmt: skip

    return unit


def test_the_state_is_told_from_the_first_look_on_and_once_for_each_change() -> None:
    def unit(now: float) -> UnitState:
        return replace(RUNS, busy=True) if now < 3 else UnitState("activating", "start", busy=True)

    def registered(now: float) -> NodeState | None:
        return None if now < 40 else READY

    node = Node(lambda now: unit(now) if now < 30 else RUNS, node=registered)
    assert node.wait() == 40
    assert node.progress.states == [
        "k3s on pi1: about to be restarted",
        "k3s on pi1: starting",
        "k3s on pi1: not in the cluster yet",
    ]


@pytest.mark.parametrize("every", [10, 24])
def test_a_unit_that_crashes_for_a_known_cause_ends_the_wait_within_a_minute(every: float) -> None:
    node = Node(crashing(every), lambda now: PORT if now >= every / 2 else "")
    failure = node.failure()
    assert node.progress.now < 60
    assert "a port that K3s needs is taken" in failure.why
    assert "ss -ltnp" in failure.fix
    assert PORT in failure.evidence


def test_one_that_crashes_for_an_unknown_cause_is_quoted() -> None:
    node = Node(crashing(12), lambda _: f"starting\n{PUZZLE}\nstarting anew")
    failure = node.failure()
    assert node.progress.now < 60
    said = "the moon is in the wrong place"
    assert failure.why == f"k3s ended 3 times without being up; the last it said: {said}"
    assert failure.evidence == f"starting\n{PUZZLE}"


def test_an_ordinary_line_of_what_may_pass_does_not_hide_that_it_ends() -> None:
    slow = 'level=warn msg="slow fdatasync"'
    node = Node(crashing(12), lambda _: f"{slow}\n{PUZZLE}\n{slow}")
    failure = node.failure()
    assert node.progress.now < 60
    assert "the moon is in the wrong place" in failure.why


@pytest.mark.parametrize("every", [10, 25])
def test_one_that_ends_with_the_same_words_twice_is_not_given_a_third_try(every: float) -> None:
    node = Node(crashing(every), lambda now: f"{PUZZLE}\n" * int((now + every / 2) // every))
    failure = node.failure()
    assert node.progress.now < 60
    assert "ended 2 times" in failure.why


def test_crashes_from_before_the_wait_do_not_count() -> None:
    crashed = replace(RUNS, restarts=7)
    node = Node(lambda _: crashed, node=lambda now: READY if now >= 100 else None)
    assert node.wait() == 100


def test_a_server_to_join_that_is_not_there_yet_is_waited_for_and_named_at_the_end() -> None:
    node = Node(crashing(10), lambda _: JOINING)
    failure = node.failure(timeout=300)
    assert node.progress.now == 300
    assert "cannot reach the server" in failure.why


def test_a_cause_that_a_running_unit_repeats_ends_the_wait_too() -> None:
    refused = "https://127.0.0.1:6444/v1-k3s/config: 401 Unauthorized"
    node = Node(lambda _: RUNS, lambda _: refused, node=lambda _: None)
    failure = node.failure()
    assert node.progress.now < 60
    assert "join token is not the cluster's" in failure.why


def test_a_cause_that_was_told_once_does_not() -> None:
    node = Node(
        lambda _: RUNS,
        lambda now: PORT if 8 < now < 12 else "",
        node=lambda now: READY if now >= 100 else None,
    )
    assert node.wait() == 100


@pytest.mark.parametrize(
    ("trouble", "state"),
    [
        (
            ApiUnavailable([Tried("pi1", "tunnel", "HTTP 503")]),
            "k3s on pi1: the API is away: pi1 (tunnel): HTTP 503",
        ),
        (
            ApiRefused("GET /api/v1/nodes/pi1", status=403, message="no such rights yet"),
            "k3s on pi1: the API does not answer as it should: no such rights yet",
        ),
    ],
)
def test_an_api_that_does_not_answer_is_told_and_waited_for(
    trouble: PiclusterError, state: str
) -> None:
    def registered(now: float) -> NodeState:
        if now < 20:
            raise trouble
        return READY

    node = Node(lambda _: RUNS, node=registered)
    assert node.wait() == 20
    assert node.progress.states == [state]


def test_the_same_answers_of_the_servers_are_told_once_whoever_was_asked_first() -> None:
    one, other = Tried("pi1", "tunnel", "HTTP 503"), Tried("pi2", "tunnel", "it was cut")

    def registered(now: float) -> NodeState:
        if now < 20:
            raise ApiUnavailable([one, other] if now % 4 < 2 else [other, one])
        return READY

    node = Node(lambda _: RUNS, node=registered)
    assert node.wait() == 20
    assert len(node.progress.states) == 1


def test_a_node_that_restarts_meanwhile_is_connected_to_anew() -> None:
    def unit(now: float) -> UnitState:
        if 5 <= now < 60:
            raise Unreachable("the connection was lost", where="pi1")
        return UnitState("activating", "start") if now < 5 else RUNS

    node = Node(unit)
    assert node.wait() == 60
    assert node.answers.traffic.connections > 1
    assert node.progress.states[-1] == "pi1: the connection was lost"
