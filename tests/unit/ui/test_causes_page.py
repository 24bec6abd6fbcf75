"""The page of causes is the tables' own words, and current."""

from __future__ import annotations

from pathlib import Path

from picluster.steps.k3s.journal import JOURNAL
from picluster.ui.causes_page import CHAPTERS, page

PAGE = Path(__file__).parents[3] / "docs" / "causes.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "the tables have changed: run `make docs`"


def test_every_cause_that_a_journal_can_name_is_on_it() -> None:
    listed = [cause for causes in CHAPTERS.values() for cause in causes]
    assert [cause.why for cause in JOURNAL if cause not in listed] == []
