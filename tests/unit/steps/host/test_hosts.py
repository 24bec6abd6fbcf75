"""Hosts files: our block exactly, and every other byte left alone."""

from __future__ import annotations

import base64

import pytest
from tests.unit.steps import looking

from picluster.engine.step import Blocked, Change, Decision, Satisfied, WriteFile
from picluster.steps.host.hosts import HOSTS, HOSTS_TEMPLATE, HostsFile, with_block, with_own_names

ENTRIES = (("10.0.0.1", "pi1.lan pi1"), ("10.0.0.2", "pi2.lan pi2"))
BLOCK = "# BEGIN picluster c\n10.0.0.1\tpi1.lan pi1\n10.0.0.2\tpi2.lan pi2\n# END picluster c\n"
LINES = BLOCK.splitlines()[1:-1]


def decide(step: HostsFile, content: bytes | None) -> Decision:
    lines = [] if content is None else [f"text={base64.b64encode(content).decode()}"]
    return looking.decide(step, *lines)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", BLOCK),
        ("127.0.0.1 a\n", f"127.0.0.1 a\n\n{BLOCK}"),
        ("127.0.0.1 a", f"127.0.0.1 a\n\n{BLOCK}"),
        ("x\n\n", f"x\n\n{BLOCK}"),
        ("a\r\nb\x0cc\u2028d\n\n", f"a\r\nb\x0cc\u2028d\n\n{BLOCK}"),
        (f"a\n{BLOCK}\nz\n", f"a\n{BLOCK}\nz\n"),
        ("# BEGIN picluster c\n9.9.9.9 old\n# END picluster c\nz\n", f"{BLOCK}z\n"),
        (f"{BLOCK}z\n{BLOCK}", f"{BLOCK}z\n"),
        ("# BEGIN picluster c\n9.9.9.9 old\n\nz\n", f"{BLOCK}\nz\n"),
        ("# BEGIN picluster c\n9.9.9.9 old\n# mine\nz\n", f"{BLOCK}# mine\nz\n"),
        ("# BEGIN picluster d\n1 x\n# END picluster d\n", None),
    ],
)
def test_only_the_block_changes(before: str, after: str | None) -> None:
    once = with_block(before, "c", LINES)
    assert once == (f"{before}\n{BLOCK}" if after is None else after)
    assert with_block(once, "c", LINES) == once


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("127.0.1.1 pi2", "127.0.1.1\tpi1.lan pi1"),
        ("127.0.1.1\traspberrypi # pi1", "127.0.1.1\tpi1.lan pi1"),
        ("127.0.1.1   pi1   pi1.old", "127.0.1.1   pi1   pi1.old"),
        ("127.0.1.10 pi2", "127.0.1.10 pi2"),
        ("#127.0.1.1 pi2", "#127.0.1.1 pi2"),
        ("127.0.0.1 localhost", "127.0.0.1 localhost"),
    ],
)
def test_the_machines_own_line_has_its_own_name(line: str, after: str) -> None:
    assert with_own_names(f"{line}\n", "pi1.lan pi1") == f"{after}\n"
    assert with_own_names(f"{line}\n", "") == f"{line}\n"


def test_the_file_is_written_with_a_backup_and_then_satisfied() -> None:
    step = HostsFile("c", ENTRIES, "pi1.lan pi1")
    decision = decide(step, b"127.0.0.1 localhost\n")
    assert isinstance(decision, Change)
    assert decision.reason == "it lacks them"
    (write,) = decision.actions
    assert isinstance(write, WriteFile)
    assert write.backup
    assert isinstance(write.content, str)
    assert decide(step, write.content.encode()) == Satisfied()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"127.0.1.1 pi9\n{BLOCK}", "127.0.1.1"),
        (BLOCK.replace("10.0.0.2", "10.0.0.3"), "its block differs"),
    ],
)
def test_the_reason_says_what_differs(content: str, reason: str) -> None:
    decision = decide(HostsFile("c", ENTRIES, "pi1.lan pi1"), content.encode())
    assert isinstance(decision, Change)
    assert reason in decision.reason


def test_bytes_that_would_be_lost_are_refused() -> None:
    assert isinstance(decide(HostsFile("c", ENTRIES), b"10.0.0.9 b\xfcro\n"), Blocked)


def test_a_template_is_edited_only_where_there_is_one() -> None:
    step = HostsFile("c", ENTRIES, "pi1", "/t", only_if_present=True, name=HOSTS_TEMPLATE)
    assert isinstance(decide(step, None), Satisfied)
    assert isinstance(decide(step, b""), Change)
    assert isinstance(decide(HostsFile("c", ENTRIES, name=HOSTS), None), Change)
