"""Sizes as nodes tell them and people read them."""

from __future__ import annotations

import pytest

from picluster.steps.sizes import told_size


@pytest.mark.parametrize(
    ("told", "unit", "shown"),
    [
        ("999", 1, "999 bytes"),
        ("1000", 1, "1.0 kB"),
        ("3", 1024, "3.1 kB"),
        ("1000000", 1, "1.0 MB"),
        ("2500000000", 1, "2.5 GB"),
    ],
)
def test_a_size_is_read_in_the_unit_that_it_was_told_in(told: str, unit: int, shown: str) -> None:
    assert told_size(told, unit) == shown


@pytest.mark.parametrize("told", ["", "-1", "1.5", "²", "1 2", "9" * 5000, "12\n"])
def test_what_is_no_number_is_no_size(told: str) -> None:
    assert told_size(told) is None
