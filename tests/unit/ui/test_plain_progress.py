"""What lasts is told without a terminal: at once, on every change, and then as a sign of life."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.engine.runs import text_of

from picluster.engine.events import (
    Event,
    PhaseFinished,
    PhaseStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    StepStarted,
    TargetFailed,
    to_record,
)
from picluster.engine.journal import EVENTS, RecordedRun
from picluster.engine.lines import as_json
from picluster.engine.phase import Phase, Stage
from picluster.engine.pool import Sessions
from picluster.engine.probe import ShellProbe
from picluster.engine.run import RunState
from picluster.engine.runner import run_phase
from picluster.engine.step import Change, Run, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Wait, Waiting
from picluster.ui.log_view import as_text
from picluster.ui.plain import PlainProgress


class Terminal:
    """A plain progress whose clock only moves when it is told to; it ticks every second."""

    def __init__(self, *, verbose: bool = False) -> None:
        self.stream = io.StringIO()
        self.now = 0.0
        self.sink = PlainProgress(self.stream, verbose=verbose, clock=lambda: self.now)

    def tell(self, *events: Event) -> None:
        for event in events:
            self.sink(event)

    def let_pass(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.sink.tell_what_lasts()

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def new(self, act: Callable[[], None]) -> list[str]:
        """Do something, and return the lines that it adds."""
        before = len(self.lines)
        act()
        return self.lines[before:]


def started(target: str = "pi1", summary: str = "start k3s.service") -> StepStarted:
    return StepStarted(phase="k3s", target=target, step="run", title="it runs", summary=summary)


def state(text: str, target: str = "pi1", *, passing: bool = False) -> StepProgress:
    return StepProgress(phase="k3s", target=target, step="run", state=text, passing=passing)


def finished(target: str = "pi1") -> StepFinished:
    return StepFinished(
        phase="k3s", target=target, step="run", title="it runs", outcome="changed", detail="start",
        seconds=1,
    )  # fmt: skip


@pytest.fixture
def waiting() -> Terminal:
    """A terminal on which pi1 waits for K3s."""
    terminal = Terminal()
    terminal.tell(started(), state("k3s is starting"))
    return terminal


def test_the_first_state_of_a_wait_is_told_at_once(waiting: Terminal) -> None:
    assert waiting.lines == ["  pi1: start k3s.service", "  pi1: … k3s is starting"]


def test_a_change_is_told_at_once(waiting: Terminal) -> None:
    waiting.let_pass(1)
    assert waiting.new(lambda: waiting.tell(state("not Ready"))) == ["  pi1: … not Ready"]


def test_a_wait_that_lasts_gives_a_sign_of_life_every_half_minute(waiting: Terminal) -> None:
    assert waiting.new(lambda: waiting.let_pass(95)) == [
        "  pi1: … k3s is starting, after 30 s",
        "  pi1: … k3s is starting, after 1 min 0 s",
        "  pi1: … k3s is starting, after 1 min 30 s",
    ]


def test_a_change_puts_the_next_sign_of_life_off(waiting: Terminal) -> None:
    waiting.let_pass(29)
    waiting.tell(state("not Ready"))
    assert waiting.new(lambda: waiting.let_pass(29)) == []
    assert waiting.new(lambda: waiting.let_pass(1)) == ["  pi1: … not Ready, after 59 s"]


def test_no_line_of_a_target_comes_twice_in_a_row() -> None:
    terminal = Terminal()
    for target in ("pi1", "pi2"):
        terminal.tell(started(target))
    for second in range(200):
        for target in ("pi1", "pi2"):
            terminal.tell(state("starting", target), state(f"line {second}", target, passing=True))
            terminal.tell(state("starting", target))
        terminal.let_pass(1)
    for target in ("pi1", "pi2"):
        told = [line for line in terminal.lines if target in line]
        assert all(one != other for one, other in pairwise(told))
        assert len(told) == 2 + 200 // 30, "and only the signs of life were added"


def test_a_command_that_says_nothing_shows_life_after_five_seconds_and_then_as_ever() -> None:
    terminal = Terminal()
    terminal.tell(started(summary="install socat"))
    assert terminal.new(lambda: terminal.let_pass(4)) == []
    assert terminal.new(lambda: terminal.let_pass(60)) == [
        "  pi1: … install socat, after 5.0 s",
        "  pi1: … install socat, after 35 s",
    ]


def test_output_is_not_told_line_by_line_but_the_last_line_is_the_sign_of_life() -> None:
    terminal = Terminal()
    terminal.tell(started(summary="install socat"))
    for number in range(40):
        terminal.tell(state(f"Unpacking {number}", passing=True))
        terminal.let_pass(1)
    assert terminal.lines[1:] == [
        "  pi1: … Unpacking 4, after 5.0 s",
        "  pi1: … Unpacking 34, after 35 s",
    ]


def test_verbose_tells_output_too() -> None:
    terminal = Terminal(verbose=True)
    terminal.tell(started(), state("Unpacking 4", passing=True))
    assert "  pi1: … Unpacking 4" in terminal.lines


@pytest.mark.parametrize(
    "end",
    [finished(), TargetFailed(phase="k3s", target="pi1", what="it broke"),
     PhaseFinished(phase="k3s", seconds=1, outcome="ok")],
)  # fmt: skip
def test_what_is_over_is_told_of_no_more(waiting: Terminal, end: Event) -> None:
    waiting.tell(end)
    assert waiting.new(lambda: waiting.let_pass(100)) == []


def test_a_phase_that_a_node_missed_says_what_came_of_the_others_and_who_it_was(
    tmp_path: Path,
) -> None:
    terminal = Terminal()
    end = PhaseFinished(phase="k3s", seconds=5, outcome="changed", missing=("pi3",))
    terminal.tell(end)
    assert terminal.lines == ["[k3s] changed in 5.0 s, without pi3"]
    (tmp_path / EVENTS).write_text(as_json(to_record(end)))
    assert "[k3s] changed, without pi3\n" in as_text(RecordedRun(tmp_path))


def test_a_long_look_shows_life_as_well() -> None:
    terminal = Terminal()
    run = RunStarted(command="up", cluster="home", targets=("pi1",), phases=("k3s",))
    terminal.tell(run)
    assert terminal.new(lambda: terminal.let_pass(30)) == ["up home: … connecting, after 5.0 s"]
    terminal.tell(PhaseStarted(phase="k3s", title="K3s runs", targets=("pi1",)))
    assert terminal.new(lambda: terminal.let_pass(61)) == [
        "[k3s] … looking, after 30 s",
        "[k3s] … looking, after 1 min 0 s",
    ]
    terminal.tell(started(), finished())
    assert terminal.new(lambda: terminal.let_pass(29)) == [], "a line is a sign of life"
    terminal.sink.close()


def test_a_question_is_not_talked_into(waiting: Terminal) -> None:
    with waiting.sink.paused():
        assert waiting.new(lambda: waiting.let_pass(60)) == []
    assert len(waiting.new(lambda: waiting.let_pass(1))) == 1


def test_the_clock_stops_with_the_run() -> None:
    terminal = Terminal()
    terminal.tell(RunStarted(command="up", cluster="home", targets=("pi1",), phases=("k3s",)))
    assert not terminal.sink._over.is_set()
    terminal.tell(RunFinished(tallies=(), exit_code=0, seconds=1, connections=1, scripts=1))
    assert terminal.sink._over.is_set()


@dataclass(frozen=True)
class DoorOpen:
    """A step whose change only begins what has to be waited for."""

    name: str = "door"
    title: str = "the door is open"

    def probe(self) -> ShellProbe[str]:
        return text_of("door")

    def decide(self, look: Look) -> Satisfied | Change:
        if look.read(text_of("door")) == "open":
            return Satisfied()
        wait = Wait(
            "waiting for the door",
            "the door stays shut",
            # It opens a little further each time that somebody looks.
            ShellProbe("door", """cd "$NODE_ROOT"; cat door
                case $(cat door) in ajar) printf open >door ;; shut) printf ajar >door ;; esac""",
                lambda seen: seen.out),
            lambda door: Done() if door == "open" else Waiting(f"the door is {door}"),
            timeout=60,
            interval=0.01,
        )  # fmt: skip
        return Change("ring", (Run('echo ding; printf shut >"$NODE_ROOT/door"'), wait))


def test_a_wait_of_a_phase_is_told_from_its_first_state_on(tmp_path: Path) -> None:
    stream = io.StringIO()
    run = RunState(Sessions(ShellNodes(tmp_path)), PlainProgress(stream))
    assert run_phase(Phase("test", "doors", (Stage("s", {"pi1": (DoorOpen(),)}),)), run)
    assert [line for line in stream.getvalue().splitlines() if "pi1: …" in line] == [
        "  pi1: … the door is shut",
        "  pi1: … the door is ajar",
    ]
