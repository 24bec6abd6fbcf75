"""What programs say when they fail is translated, each by its own words; the rest is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.causes.quotes import JOURNAL, QUOTES, Quote

from picluster.causes.cause import Cause, explain, last_words
from picluster.causes.images import IMAGES
from picluster.causes.packages import PACKAGES
from picluster.causes.pods import ENDING, PODS
from picluster.causes.scheduling import SCHEDULING
from picluster.causes.sudo import SUDO

TABLES = {
    "journal": JOURNAL,
    "images": IMAGES,
    "pods": PODS,
    "scheduling": SCHEDULING,
    "packages": PACKAGES,
    "sudo": SUDO,
}
# What K3s, its parts and apt say when all is well, with the warnings and errors of every start;
# from journals that users published (agents and servers of v1.33 to v1.35), with names changed.
ORDINARY = Path(__file__).with_name("ordinary.log").read_text().splitlines()
NAMES = [f"{quote.source}: {quote.means}" for quote in QUOTES]


@pytest.mark.parametrize("quote", QUOTES, ids=NAMES)
def test_a_real_line_is_translated(quote: Quote) -> None:
    found = explain(f"starting\n{quote.line}\nbye", quote.among)
    assert found is not None, f"nothing is known about: {quote.line}"
    assert quote.means in found.why, f"{quote.line}\nmeans something else than: {found.why}"
    assert found.fix


def test_there_are_enough_of_them_and_each_names_its_source() -> None:
    assert len({quote.line for quote in QUOTES}) >= 120
    assert all(len(quote.source) > 5 for quote in QUOTES)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_cause_is_without_a_real_line(table: tuple[Cause, ...]) -> None:
    quoted = [explain(quote.line, quote.among) for quote in QUOTES]
    assert [cause.why for cause in table if cause not in quoted] == []


@pytest.mark.parametrize("line", ORDINARY)
def test_an_ordinary_line_means_nothing(line: str) -> None:
    for table in (JOURNAL, ENDING, PACKAGES, SUDO):
        found = explain(line, table)
        assert found is None, f"an ordinary line is taken for: {found.why if found else ''}"


def cause(says: str, **more: bool) -> Cause:
    return Cause(says, f"why {says}", "fix", **more)


def test_what_a_program_ended_with_counts_more_than_what_it_said_later() -> None:
    known = [cause("disk"), cause("network")]
    log = 'level=fatal msg="the disk"\nlevel=error msg="the network"'
    assert explain(log, known) is known[0]


def test_what_does_not_pass_counts_more_than_what_may() -> None:
    known = [cause("slow", passing=True), cause("full")]
    assert explain("full\nslow", known) is known[1]
    assert explain("slow", known) is known[0]


def test_of_several_lines_the_latest_counts() -> None:
    known = [cause("one"), cause("two")]
    assert explain("one\ntwo\nother", known) is known[1]


def test_last_words_alone_make_a_cause_of_what_is_also_said_when_all_is_well() -> None:
    known = [cause("sysctl", last_words=True)]
    assert explain('level=error msg="sysctl"', known) is None
    assert explain('level=fatal msg="sysctl"', known) is known[0]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            'time="2026" level=fatal msg="cannot read \\"x\\""\nk3s.service: Main process exited',
            'cannot read "x"',
        ),
        ("panic: runtime error: index out of range\n\ngoroutine 1 [running]:", "panic: runtime"),
        ("F1128 08:00:00.000000 27 server.go:495] gone", "server.go:495] gone"),
        ('level=error msg="Shutdown request received: \\"x\\""', 'Shutdown request received: "x"'),
        ("all is well", ""),
    ],
)
def test_the_last_words_of_a_program_are_quoted_without_time_and_level(
    log: str, words: str
) -> None:
    found = last_words(log)
    assert words in found
    assert bool(found) == bool(words)
    assert "level=" not in found
