"""Known messages of K3s are translated; unknown ones are not guessed at."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from picluster.steps.k3s.journal import explain, reading, tail

FATAL = 'level=fatal msg="'


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("failed to find memory cgroup (v2), you may need to add cgroup_enable=memory", "cgroup"),
        (FATAL + "Node password rejected, duplicate hostname or contents of ...", "re-flashed"),
        (FATAL + "starting kubernetes: preparing server: token CA hash does not match", "token"),
        ("x509: certificate has expired or is not yet valid: current time 1970", "clocks"),
        ("listen tcp :6443: bind: address already in use", "port"),
        ("flannel exited: operation not supported", "vxlan"),
        ("flag provided but not defined: -no-such-option", "option"),
        ("dial tcp 10.0.0.11:6443: connect: no route to host", "cannot reach"),
        ("slow fdatasync took 3.1s", "slow"),
        ("write /var/lib/rancher/k3s/x: no space left on device", "full"),
    ],
)
def test_known_messages_have_a_cause_and_a_fix(line: str, word: str) -> None:
    cause = explain(f"starting k3s\n{line}\nexiting")
    assert cause is not None, f"nothing is known about {line!r}"
    assert word in cause.why
    assert cause.fix


def test_the_latest_cause_counts() -> None:
    cause = explain("connect: connection refused\nbind: address already in use")
    assert cause is not None
    assert "port" in cause.why


def test_an_unknown_message_is_not_explained_away() -> None:
    assert explain("everything is awesome\nno it is not") is None


def test_the_evidence_is_the_end_of_the_journal() -> None:
    lines = [f"line {number}" for number in range(100)]
    assert tail("\n".join(lines)).splitlines() == lines[-15:]


@pytest.mark.parametrize(
    "words",
    [
        'level=error msg="Shutdown request received: \\"flannel exited: it is Monday\\""',
        "F1128 08:00:00.000000 27 server.go:495] no",
        "k3s.service: Failed with result 'oom-kill'.",
    ],
)
def test_what_an_attempt_ended_with_is_read_however_much_the_next_one_says(
    tmp_path: Path, words: str
) -> None:
    """A real server says some 420 lines each time it starts, and 850 the first time."""
    said = [f"first {number}" for number in range(30)]
    said += [words, *(f"level=info msg={number}" for number in range(900))]
    (tmp_path / "said").write_text("\n".join(said) + "\n")
    fake = tmp_path / "journalctl"
    fake.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\ncat {tmp_path}/said\n')
    fake.chmod(0o755)
    read = subprocess.run(
        ["/bin/sh", "-c", reading("k3s", 60, lines=400)],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout.splitlines() == [words, *said[-400:]]
    assert "-u k3s --since -60s" in (tmp_path / "asked").read_text()
