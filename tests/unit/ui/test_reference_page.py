"""The configuration reference is the model's own words, and current."""

from __future__ import annotations

from pathlib import Path

from picluster.model import fields
from picluster.ui.reference_page import page

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(fields()), "the model has changed: run `make docs`"


def test_every_field_is_on_it_once_in_its_own_chapter() -> None:
    chapters = {chapter.split("`")[1]: chapter for chapter in page(fields()).split("\n## ")[1:]}
    for field in fields():
        section, _, name = field.path.rpartition(".")
        if section and not field.is_section:
            chapter = chapters[section.removesuffix("[]")]
            assert chapter.count(f"\n| `{name}` |") == 1, field.path
