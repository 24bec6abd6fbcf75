"""Text on a terminal is folded between words; into a pipe it goes as it is."""

from __future__ import annotations

import io
import re

import pytest

from picluster.ui.screen import coloured, fold, show


class TerminalDouble(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_lines_go_on_below_a_little_further_in() -> None:
    text = "short\n  ! the quick brown fox jumps over the lazy dog\nend\n"
    assert (
        fold(text, 24) == "short\n  ! the quick brown fox\n    jumps over the lazy\n    dog\nend\n"
    )


def test_nothing_is_lost_or_cut() -> None:
    text = "  fix: look into /var/lib/rancher/k3s/server/manifests/picluster.yaml, and at `df -h`"
    folded = fold(text, 30)
    assert folded.split() == text.split()
    assert "/var/lib/rancher/k3s/server/manifests/picluster.yaml," in folded


def test_what_fits_is_left_as_it_is() -> None:
    table = "✓  pi1   server    1.0\n\n"
    assert fold(table, 22) == table


def test_the_terminals_width_counts_and_a_pipe_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal, pipe = TerminalDouble(), io.StringIO()
    for stream in (terminal, pipe):
        show("one two three four\n", stream)
    assert terminal.getvalue() == "one two\n  three\n  four\n"
    assert pipe.getvalue() == "one two three four\n"


def test_marks_and_differences_have_colours_and_the_words_are_the_same() -> None:
    text = "✓ pi1\n    ! hot\n  ✗ gone: - no\n    -old\n    +new\nNOTE: not K3s,\n  really\n~ x\n"
    drawn = coloured(text)
    assert re.sub(r"\x1b\[\d+m", "", drawn) == text
    for part in ("32m✓", "33m!", "31m✗", "31m-", "32m+", "34m~", "33mNOTE: not K3s,\n  really"):
        assert f"\x1b[{part}\x1b[0m" in drawn
    assert coloured("a - b\n- c\n") == "a - b\n- c\n"


@pytest.mark.parametrize(
    ("variable", "value", "drawn"),
    [("NO_COLOR", "1", False), ("CI", "true", False), ("TERM", "dumb", False), ("X", "", True)],
)
def test_whoever_asks_for_plain_text_gets_it(
    variable: str, value: str, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    stream = TerminalDouble()
    show("✓ fine\n", stream)
    assert ("\x1b" in stream.getvalue()) is drawn
