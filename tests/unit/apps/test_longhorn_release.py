"""Longhorn moves one minor release at a time, and never back."""

from __future__ import annotations

import pytest
from tests.unit.steps.looking import known, look_at

from picluster.apps.longhorn.release import LonghornInstalled, NextRelease
from picluster.engine.step import Blocked, Satisfied


@pytest.mark.parametrize(
    ("running", "wanted"),
    [("", "v1.12.1"), ("v1.12.1", "v1.12.1"), ("v1.11.0", "v1.12.1"), ("v1.12.0", "v1.12.1")],
)
def test_the_next_one_may_follow(running: str, wanted: str) -> None:
    step = NextRelease(wanted)
    assert (
        step.decide(look_at(step, known(longhorn_release=LonghornInstalled(running))))
        == Satisfied()
    )


@pytest.mark.parametrize(
    ("running", "wanted", "said", "way"),
    [
        ("v1.9.2", "v1.12.1", "one minor release at a time", "v1.10.2"),
        ("v1.10.2", "v1.12.0", "one minor release at a time", "v1.11.3"),
        ("v1.12.1", "v1.11.3", "does not go back", "v1.12.1"),
        ("v1.12.1", "v1.12.0", "does not go back", "v1.12.1"),
        ("v1.12.1", "v2.0.0", "one minor release at a time", "v1.13"),
    ],
)
def test_a_leap_and_a_way_back_are_refused_with_the_way(
    running: str, wanted: str, said: str, way: str
) -> None:
    step = NextRelease(wanted)
    decision = step.decide(look_at(step, known(longhorn_release=LonghornInstalled(running))))
    assert isinstance(decision, Blocked)
    assert said in decision.reason
    assert way in decision.fix
