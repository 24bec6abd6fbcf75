"""The end of a run: how each node fared, what failed and what to do next."""

from __future__ import annotations

import dataclasses

from tests.unit.ui.samples import NOTICE, failed_run

from picluster.engine.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    TargetFailed,
    TargetTally,
    WarningSettled,
)
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


def without(node: str, *, alarm: bool = False, changed: int = 2) -> list[Event]:
    started, finished = quiet_run(changed)
    assert isinstance(finished, RunFinished)
    gone = TargetFailed(
        phase="connect",
        target=node,
        what="it cannot be reached",
        why="no answer",
        fix="look at its power",
        exit_code=4,
        alarm=alarm,
    )
    return [started, gone, dataclasses.replace(finished, exit_code=4, next_command="picluster up")]


def test_a_node_that_was_missing_is_told_of_with_its_cause_and_what_to_run_then() -> None:
    assert (
        recap_of(without("pi2"))
        == """\
pi2: it cannot be reached
  why: no answer
  fix: look at its power

  node    ok  changed  failed  skipped  time
✓ pi1      4        2       0        0  0.0 s
✗ pi2   could not be worked on

up without pi2 (exit code 4): 2 changes in 0.6 s, 1 connection, 1 script
next: picluster up, once pi2 can be worked on
"""
    )


def test_a_node_that_gives_no_rights_is_one_that_cannot_be_worked_on() -> None:
    started, _, finished = without("pi2")
    no_sudo = TargetFailed(phase="preflight", target="pi2", what="sudo asks", exit_code=4)
    assert isinstance(started, RunStarted)
    text = recap_of([dataclasses.replace(started, targets=("pi1", "pi2")), no_sudo, finished])
    assert "up without pi2 (exit code 4): 2 changes" in text
    assert "✗ pi2   could not be worked on" in text


def test_what_else_was_not_done_is_not_called_done() -> None:
    left_out = TargetFailed(phase="registry", target="pi2", what="left out: it runs", exit_code=4)
    started, gone, finished = without("pi2")
    text = recap_of([started, gone, left_out, finished])
    assert "pi2: left out: it runs\n" in text
    assert "up did not finish (exit code 4)" in text


def test_a_refusal_after_changes_is_no_run_without_nodes() -> None:
    started, finished = quiet_run(1)
    assert isinstance(finished, RunFinished)
    text = recap_of([started, dataclasses.replace(finished, exit_code=5)])
    assert "up did not finish (exit code 5)" in text


def test_a_run_without_anybody_did_not_finish() -> None:
    started, gone, finished = without("pi1")
    assert isinstance(finished, RunFinished)
    text = recap_of([started, gone, dataclasses.replace(finished, tallies=())])
    assert "up did not finish (exit code 4)" in text


def test_a_run_that_was_refused_besides_is_not_called_done() -> None:
    started, gone, finished = without("pi2", changed=0)
    assert isinstance(finished, RunFinished)
    text = recap_of([started, gone, dataclasses.replace(finished, exit_code=5)])
    assert "pi2: it cannot be reached" in text
    assert "up did not finish (exit code 5)" in text


def test_a_changed_host_key_is_the_last_thing_before_the_sum() -> None:
    text = recap_of(without("pi2", alarm=True))
    assert text.startswith("  node"), text
    assert (
        "\nSECURITY: pi2: it cannot be reached\n  why: no answer\n  fix: look at its power\n\nup"
        in text
    )


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


def warned(*steps: str) -> list[Event]:
    return [
        StepFinished(
            phase="p", target="pi1", step=step, title="t", outcome="ok", warning="cgroup off"
        )
        for step in steps
    ]


def test_a_warning_whose_cause_is_gone_by_the_end_is_gone_too() -> None:
    started, finished = quiet_run(1)
    gone = WarningSettled(phase="p", target="pi1", step="cgroup", warning="")
    assert "cgroup off" not in recap_of([started, *warned("cgroup"), gone, finished])
    assert "cgroup off" in recap_of([started, *warned("cgroup", "other"), gone, finished])


def test_a_warning_that_changed_is_the_one_of_the_end() -> None:
    started, finished = quiet_run(1)
    now = WarningSettled(phase="p", target="pi1", step="cgroup", warning="a reboot is due")
    text = recap_of([started, *warned("cgroup"), now, finished])
    assert "! pi1: a reboot is due\n" in text
    assert "cgroup off" not in text


def test_a_run_that_never_began_has_no_recap() -> None:
    assert recap_of([]) == ""


def test_a_refused_run_shows_no_ticks_and_no_next_step() -> None:
    started, finished = quiet_run(changed=0)
    assert isinstance(finished, RunFinished)
    text = recap_of([started, dataclasses.replace(finished, exit_code=5)])
    assert "pi1" not in text
    assert "next" not in text
    assert "exit code 5" in text
