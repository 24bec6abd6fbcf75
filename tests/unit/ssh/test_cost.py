"""What a script cost its node: told by the shell that ran it, without a process, and no output."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.doubles.node_answers import NodeAnswers
from tests.doubles.ssh_channel import ShellChannel, session_over
from tests.forks import idle

from picluster.engine.events import Event, Exchanged, StepFinished
from picluster.engine.run import RunState
from picluster.engine.session import Completed, Cost, Traffic
from picluster.ssh.remote_shell import read_cost

WORDS = b"picluster-cost-f00 "
TIMES = b"0m0.010000s 0m0.020000s\n1m2.5s 0m0.000000s\n"
ALL = Cost(40, 62.53)


@pytest.mark.parametrize(
    ("out", "printed", "cost"),
    [
        (b"out\n", b"out\n", Cost()),
        (b"out\n" + WORDS + b"100 140\n" + TIMES, b"out\n", ALL),
        (b"no end" + WORDS + b"100 140\n" + TIMES, b"no end", ALL),
        (b"out" + WORDS + b"100 140\n" + TIMES + b"late\n", b"outlate\n", ALL),
        (WORDS + b"32760 310\n" + TIMES, b"", replace(ALL, forks=0)),
        (WORDS + b" \n" + TIMES, b"", replace(ALL, forks=0)),
        (b"out" + WORDS + b"100 14", b"out" + WORDS + b"100 14", Cost()),
    ],
    ids=["killed", "told", "no line end", "a child goes on", "numbers anew", "no /proc", "cut off"],
)
def test_the_cost_is_cut_off_the_output(out: bytes, printed: bytes, cost: Cost) -> None:
    assert read_cost(out, WORDS) == (printed, cost)


@pytest.mark.parametrize(
    "told",
    [
        b"1 " + b"9" * 5000 + b"\n" + TIMES,
        b"1 2\n" + TIMES.replace(b"1m2.5s", b"9" * 5000 + b"m2.5s"),
        b"1 2\n" + TIMES.replace(b"1m2.5s", b"1m" + b"9" * 400 + b"s"),
        b"1 2\n" + TIMES.replace(b"1m2.5s", b"1m2.5.5s"),
        b"1 2\n" + TIMES.replace(b"1m2.5s", b"1m.s"),
        b"-1 2\n" + TIMES,
        "1 ²\n".encode() + TIMES,
    ],
    ids=["processes", "minutes", "no end", "two points", "no digit", "negative", "superscript"],
)
def test_figures_that_no_node_has_count_as_nothing_and_fail_nothing(told: bytes) -> None:
    assert read_cost(b"out" + WORDS + told, WORDS) == (b"out" + WORDS + told, Cost())


def followed(traffic: Traffic) -> list[Event]:
    events: list[Event] = []
    traffic.reset(events.append)
    return events


def exchanged(script: str) -> tuple[Completed, bytes, Exchanged, Traffic]:
    """Run a script; return how it ended, what was told meanwhile, and what was counted."""
    session, told, traffic = session_over(ShellChannel()), bytearray(), Traffic()
    session.traffic = traffic.of("pi1")
    events = followed(traffic)
    done = session.run(script, timeout=20, on_output=lambda _, data: told.extend(data))
    (event,) = events
    assert isinstance(event, Exchanged)
    return done, bytes(told), event, traffic


def test_a_script_tells_its_processes_and_its_time() -> None:
    busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    done, told, event, traffic = exchanged(f"printf p; /bin/true; /bin/true; {busy}; exit 3")
    assert done == Completed(3, b"p", b"")
    assert told == b"p"
    assert (event.target, event.kind) == ("pi1", "script")
    assert event.forks >= 2
    assert event.cpu_seconds > 0
    assert event.bytes_received == 1
    assert traffic == traffic.of("pi1"), "the whole is its parts"
    assert (traffic.forks, traffic.bytes_sent) == (event.forks, event.bytes_sent)


def test_a_file_is_told_of_too(tmp_path: Path) -> None:
    file, traffic = tmp_path / "file", Traffic()
    file.write_bytes(b"x" * 5000)
    events = followed(traffic)
    session = session_over(ShellChannel())
    session.traffic = traffic.of("pi2")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    there = tmp_path / "there"
    owner = f"{there.parent.owner()}:{there.parent.group()}"
    session.upload(file, str(there), sha256=digest, mode=0o600, owner=owner, timeout=20)
    (event,) = events
    assert isinstance(event, Exchanged)
    assert event.kind == "upload"
    assert event.bytes_sent > 5000
    assert traffic.uploads == traffic.of("pi2").uploads == 1


def test_another_run_counts_from_nothing() -> None:
    traffic = Traffic()
    traffic.of("pi1").add(scripts=1, forks=9, cpu_seconds=0.5)
    assert (traffic.scripts, traffic.forks, traffic.cpu_seconds) == (1, 9, 0.5)
    traffic.reset()
    assert traffic == traffic.of("pi1") == Traffic()


def test_telling_it_makes_no_process() -> None:
    assert idle() == IDLE


IDLE = 10
"""What it was before the cost was told: the meter's own, the wrapper's shell with its `head`, the
script's with its `cat`, and the watcher of two."""


def test_the_recap_has_each_nodes_part() -> None:
    run = RunState(NodeAnswers(str).sessions, lambda _: None)
    for node in ("pi1", "pi2"):
        run.count(StepFinished(phase="prepare", target=node, step="x", title="x", outcome="ok"))
    paid = {"scripts": 2, "forks": 9, "cpu_seconds": 0.5, "bytes_sent": 70, "bytes_received": 3}
    run.sessions.traffic.of("pi1").add(**paid)
    one, two = (asdict(tally) for tally in run.tallies())
    assert {name: one[name] for name in paid} == paid
    assert {name: two[name] for name in paid} == dict.fromkeys(paid, 0)
