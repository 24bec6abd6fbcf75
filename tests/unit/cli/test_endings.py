"""Interruptions, bugs of ours, and readers that go away."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

_RUN = """
import threading, sys, time
from picluster.cli.interrupt import asking_to_stop, ending_at_once
stop, aborted = threading.Event(), threading.Event()
def ready():
    print("ready", flush=True)
"""
_POLITE = """
with asking_to_stop(stop, aborted.set):
    ready()
    stop.wait(20)
    print("recap", flush=True)
    sys.exit(130)
"""
_IMPATIENT = """
with asking_to_stop(stop, aborted.set):
    try:
        ready()
        time.sleep(20)
    except KeyboardInterrupt:
        print("aborted", aborted.wait(4), flush=True)
        sys.exit(130)
"""
_STUCK = """
with ending_at_once(aborted.set):
    threading.Thread(target=time.sleep, args=(60,)).start()
    ready()
    time.sleep(60)
"""


def started(script: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop_and_says_so(number: signal.Signals) -> None:
    process = started(_RUN + _POLITE)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "recap\n")
    assert "once more to stop now" in err


def test_the_second_signal_drops_the_connections() -> None:
    process = started(_RUN + _IMPATIENT)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "once more" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "aborted True\n")


def test_a_thread_that_cannot_be_stopped_does_not_keep_the_process() -> None:
    process = started(_RUN + _STUCK)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < 15


_BUG = """
import sys
from picluster.secret import Secret
from picluster.cli import reading
from picluster.__main__ import main
def broken():
    raise RuntimeError("it broke with " + Secret("my-bug-secret").reveal())
reading.show_schema = broken
sys.argv = ["picluster", "schema"]
main()
"""


_BUG_IN_A_RUN = """
import sys
from picluster import commands
from picluster.__main__ import main
def broken(*given):
    raise RuntimeError("it broke")
commands.plan = broken
sys.argv = ["picluster", "plan", "--file", "cluster.yaml"]
main()
"""


def test_a_bug_in_a_run_is_kept_beside_its_journal(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(
        "name: home\nnodes:\n  - {name: pi1, address: 10.0.0.1, role: server}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _BUG_IN_A_RUN],
        cwd=tmp_path,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "this is a bug in picluster: RuntimeError: it broke" in done.stderr
    (kept,) = tmp_path.rglob("crash-*.txt")
    assert kept.parent.parent == tmp_path / "picluster/home/runs"
    assert (kept.parent / "events.jsonl").exists()
    assert "in broken" in kept.read_text()


def test_a_file_that_this_computer_refuses_is_no_bug(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BUG.replace("raise RuntimeError", "open('/nowhere/at/all') #")],
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("/nowhere/at/all: this computer refuses it")
    assert "why: No such file or directory" in done.stderr
    assert "fix: " in done.stderr
    assert not list(tmp_path.rglob("crash-*.txt"))


def test_a_bug_is_admitted_and_its_traceback_kept_without_secrets(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BUG],
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "this is a bug in picluster" in done.stderr
    assert "Traceback" not in done.stderr
    (kept,) = tmp_path.rglob("crash-*.txt")
    assert str(kept) in done.stderr
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "Traceback" in kept.read_text()
    assert "my-bug-secret" not in kept.read_text() + done.stderr


def test_a_reader_that_goes_away_is_no_error_to_talk_about() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "picluster", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=20)
