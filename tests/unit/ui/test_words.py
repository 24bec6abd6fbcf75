"""How plain facts read, and that a node cannot steer the terminal."""

from __future__ import annotations

import io

import pytest
from tests.unit.ui.samples import failed_run, plan, refused

from picluster.engine.events import StepFinished, TargetFailed
from picluster.ui.plain import PlainProgress
from picluster.ui.plan_view import as_text
from picluster.ui.recap import Recap
from picluster.ui.words import ASCII, UNICODE, duration, failure, marks_for, safe

_EVIL = "ok\x1b]0;owned\x07\x1b[2J\rroot#\x9b31m"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (7260, "2 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_symbols_follow_the_encoding() -> None:
    assert marks_for("UTF-8") is UNICODE
    assert marks_for("ascii") is marks_for(None) is ASCII


def test_a_failure_indents_its_evidence() -> None:
    text = failure("it broke", where="pi1", why="full", fix="clean up", evidence="a\nb\n")
    assert text.splitlines() == [
        "pi1: it broke",
        "  why: full",
        "  fix: clean up",
        "  seen:",
        "    | a",
        "    | b",
    ]


def test_control_characters_are_shown_not_obeyed() -> None:
    assert safe("a\tb\nc\r\n") == "a\tb\nc\n"
    assert len(safe("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg").splitlines()) == 1, "no other line ends"
    assert "\u202e" not in safe("reversed\u202e"), "nor an order of its own"
    assert not set(safe(_EVIL)) & {"\x1b", "\x07", "\r", "\x9b"}


def test_no_view_passes_a_nodes_escape_sequences_on() -> None:
    failed = TargetFailed(phase="p", target="pi1", what=_EVIL, why=_EVIL, evidence=_EVIL)
    step = StepFinished(phase="p", target="pi1", step="s", title="t", outcome="ok", warning=_EVIL)
    stream, recap = io.StringIO(), Recap(UNICODE)
    for event in (failed_run()[0], failed, step, failed_run()[-1]):
        PlainProgress(stream)(event)
        recap(event)
    text = stream.getvalue() + recap.text() + as_text([plan(refused("pi1"))], [_EVIL], UNICODE)
    assert "owned" in text
    assert not set(text) & {"\x1b", "\x07", "\r", "\x9b"}
