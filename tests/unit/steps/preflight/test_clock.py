"""Clocks: only what is beyond the round trip is a difference, and this computer is a witness."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes

from picluster.engine.observe import observe
from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.step import Blocked, Decision, Fact, Satisfied
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.facts.clock import CLOCK, UNREAD, ClockAhead, Unread
from picluster.steps.preflight.clock import Clock

NOW = 1_767_225_600.0
YEARS = -NOW + 12.5


def read(ahead: float, *, trip: float = 0.1, synchronised: bool = False) -> ClockAhead | Unread:
    """Read a clock that is so much ahead of ours, in the middle of a round trip."""
    said = f"now={NOW + trip / 2 + ahead}\nsynchronised={'yes' if synchronised else 'no'}\n"
    return CLOCK.parse(Observation(out=said, asked=NOW, answered=NOW + trip))


def decide(own: ClockAhead | Unread, *others: ClockAhead | Unread) -> Decision:
    facts = {"pi1": own} | {f"pi{number}": each for number, each in enumerate(others, start=2)}
    survey = {name: {CLOCK.name: each} for name, each in facts.items()}
    return Clock().decide(Look("pi1", CLOCK.name, survey))


def said(decision: Decision) -> str:
    if isinstance(decision, Blocked):
        assert decision.fix
        return f"refused: {decision.reason}"
    assert isinstance(decision, Satisfied)
    return decision.warning


@pytest.mark.parametrize(
    ("skew", "synchronised", "expected"),
    [
        (0, False, ""),
        (3, False, "its clock is 3 s ahead of the other nodes'"),
        (-3, False, "its clock is 3 s behind the other nodes'"),
        (3, True, ""),
        (90, False, "refused: its clock is 90 s ahead of the other nodes'"),
        (-86400, False, "refused: its clock is 24 h behind the other nodes'"),
        (-200 * 86400, False, "refused: its clock is 200 days behind the other nodes'"),
    ],
)
def test_a_clock_is_compared_with_most_of_the_others(
    skew: float, synchronised: bool, expected: str
) -> None:
    assert said(decide(read(skew, synchronised=synchronised), read(0), read(0))) == expected


@pytest.mark.parametrize("slow", [0, 1])
def test_what_the_round_trip_explains_is_no_difference(slow: int) -> None:
    """Under load one node answers after seconds, and says the very same time."""
    readings = [read(0), read(0, trip=10.0), read(0)]
    own = readings.pop(slow)
    assert said(decide(own, *readings)) == ""


def test_what_is_beyond_the_round_trip_is_told_without_it() -> None:
    assert said(decide(read(10, trip=6.0), read(0), read(0))) == (
        "its clock is 7 s ahead of the other nodes'"
    )


def test_a_clock_that_was_never_set_is_its_nodes_own_trouble() -> None:
    """Such a node cannot be worked on, and keeps nobody else from it: all may be in 1970."""
    with pytest.raises(Unreadable, match="its clock says 1970-01-01") as caught:
        read(YEARS)
    told = caught.value.about("pi1", "now=12.5")
    assert (told.what, told.where, told.evidence) == (
        "its clock says 1970-01-01",
        "pi1",
        "now=12.5",
    )
    assert "time server" in told.why
    assert "date -s" in told.fix


def test_clocks_that_are_all_months_behind_are_told_by_this_computer() -> None:
    months = -200 * 86400.0
    assert said(decide(read(months), read(months), read(months))) == (
        "refused: its clock is 200 days behind this computer's"
    )
    assert said(decide(read(months))).startswith("refused: ")


def test_a_clock_that_the_network_sets_outweighs_this_computer_s() -> None:
    own = read(3600, synchronised=True)
    expected = "this computer's clock is 60 min behind the nodes', which are set from the network"
    assert said(decide(own, read(3600))) == expected
    assert said(decide(read(3600), own)) == expected, "the same words, so that they are one line"
    assert said(decide(read(0), own)) == "refused: its clock is 60 min behind the other nodes'"
    assert said(decide(own, read(0), read(0))) == expected, "however many say otherwise"


def test_of_two_that_differ_this_computer_tells_which_is_wrong() -> None:
    assert said(decide(read(0), read(86400 * 3))) == ""
    assert said(decide(read(86400 * 3), read(0))) == (
        "refused: its clock is 3 days ahead of this computer's"
    )


def test_this_computer_may_be_a_little_off() -> None:
    assert said(decide(read(20), read(20), read(20))) == ""
    assert said(decide(read(60), read(60), read(60))) == (
        "this computer's clock is 60 s behind the nodes'"
    )


def test_a_clock_that_is_not_told_is_no_others_trouble() -> None:
    assert said(decide(UNREAD, read(0))) == "its clock could not be read"
    assert said(decide(read(0), UNREAD)) == ""


def test_a_look_knows_when_it_was_asked_and_answered(tmp_path: Path) -> None:
    sessions = Sessions(ShellNodes(tmp_path))
    asked = ShellProbe("asked", "true", lambda seen: (seen.asked, seen.answered))
    steps = [Clock(), Fact("asked", "", asked)]
    look = Look("pi1", "", {"pi1": observe(sessions, Tools(), "pi1", steps, 30)})
    began, ended = look.read(asked)
    assert 0 < began <= ended
    reading = look.read(CLOCK)
    assert isinstance(reading, ClockAhead)
    assert reading.least <= 0 <= reading.most, "it is the very clock of this computer"
