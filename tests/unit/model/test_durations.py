"""Lengths of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from picluster.model.duration import LONGEST, in_words, seconds


@pytest.mark.parametrize(
    ("written", "length"),
    [(90, 90), ("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("1m1s", 61)],
)
def test_seconds_and_units_are_understood(written, length):
    assert seconds(written) == length


@pytest.mark.parametrize(
    "written",
    ["", "m", "5 m", "1.5h", "30m1h", "5M", "-5", "0", "0s", "31d", "9" * 5000, "5m\n", "٣"],
)
def test_anything_else_is_refused(written):
    with pytest.raises(PydanticCustomError):
        seconds(written)


@pytest.mark.parametrize("value", [0, -1, LONGEST + 1, True, None, 1.5, [], {}])
def test_values_that_are_no_text_are_refused_too(value):
    with pytest.raises(PydanticCustomError):
        seconds(value)


@given(st.integers(1, LONGEST))
def test_words_and_seconds_say_the_same(length):
    assert seconds(in_words(length)) == length
