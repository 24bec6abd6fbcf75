"""The end of a run: how each node fared, what failed and what to do next."""

from __future__ import annotations

import dataclasses

from tests.unit.ui.samples import NOTICE, failed_run

from picluster.engine.events import Event, RunFinished, RunStarted, StepFinished, TargetTally
from picluster.ui.recap import Recap
from picluster.ui.words import ASCII, UNICODE, Marks

SNAPSHOT = """\
pi2: the command ended with status 1
  why: no space left on device
  fix: free some space, then run picluster up again
  seen:
    | + printf
    | sh: write error: No space left on device

  node    ok  changed  failed  skipped  time
✓ pi1      3        1       0        0  1.2 s
✗ pi2      0        0       1        3  0.0 s

up did not finish (exit code 1) in 12 s, 2 connections, 7 scripts
NOTE: K3s in this lab is a stand-in, not K3s
next: picluster up
"""


def recap_of(events: list[Event], marks: Marks = UNICODE) -> str:
    recap = Recap(marks)
    for event in events:
        recap(event)
    return recap.text()


def quiet_run(changed: int) -> list[Event]:
    tally = TargetTally(target="pi1", ok=4, changed=changed, failed=0, skipped=0, seconds=0.0)
    return [
        RunStarted(command="up", cluster="home", targets=("pi1",), phases=("prepare",)),
        RunFinished(
            tallies=(tally,),
            exit_code=0,
            seconds=0.6,
            connections=1,
            scripts=1,
            next_command="next",
        ),
    ]


def test_a_failure_tells_what_why_fix_and_evidence() -> None:
    assert recap_of(failed_run()) == SNAPSHOT


def test_it_fits_80_columns_and_ascii() -> None:
    text = recap_of(failed_run(), ASCII)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80


def test_nothing_to_do_is_said_in_so_many_words() -> None:
    assert "nothing to do" in recap_of(quiet_run(0))
    assert "nothing to do" not in recap_of(quiet_run(2))


def test_notices_are_never_left_out() -> None:
    assert NOTICE in recap_of(failed_run())


def test_a_warning_of_many_nodes_is_one_line() -> None:
    warning = [
        StepFinished(
            phase="p", target=node, step="s", title="t", outcome="ok", warning="no hardware clock"
        )
        for node in ("pi1", "pi2")
    ]
    started, finished = quiet_run(0)
    text = recap_of([started, *warning, finished])
    assert "! pi1, pi2: no hardware clock\n" in text


def test_nodes_that_are_warned_of_come_in_the_order_of_the_file() -> None:
    warning = [
        StepFinished(phase="p", target=node, step="s", title="t", outcome="ok", warning="no clock")
        for node in ("pi2", "pi9", "pi1")
    ]
    started, finished = quiet_run(0)
    assert isinstance(started, RunStarted)
    started = dataclasses.replace(started, targets=("pi1", "pi2"))
    assert "! pi1, pi2, pi9: no clock\n" in recap_of([started, *warning, finished])


def test_a_run_that_never_began_has_no_recap() -> None:
    assert recap_of([]) == ""


def test_a_refused_run_shows_no_ticks_and_no_next_step() -> None:
    started, finished = quiet_run(changed=0)
    assert isinstance(finished, RunFinished)
    text = recap_of([started, dataclasses.replace(finished, exit_code=5)])
    assert "pi1" not in text
    assert "next" not in text
    assert "exit code 5" in text
