"""The registry's user: known by a hash, and never shown."""

from __future__ import annotations

import pytest
from tests.unit.steps import looking

from picluster.engine.step import Change, Satisfied
from picluster.errors import ConfigInvalid
from picluster.secret import Secret, redact
from picluster.steps.registry.credentials import (
    Credentials,
    SendUsers,
    Users,
    credentials,
    curl_quoted,
    lets_in,
    new_line,
)

WANTED = Credentials("builder", Secret("correct horse"))
LINE = new_line(WANTED)


def decide(out: str, wanted: Credentials | None = WANTED) -> Change | Satisfied:
    decision = looking.decide(Users(wanted), *out.splitlines())
    assert isinstance(decision, Change | Satisfied)
    return decision


def test_a_line_lets_in_who_knows_the_password() -> None:
    assert lets_in(LINE, WANTED)
    assert new_line(WANTED) != LINE
    assert not lets_in(LINE, Credentials("builder", Secret("wrong horse")))
    assert not lets_in(LINE, Credentials("other", Secret("correct horse")))
    assert not lets_in("builder:plain", WANTED)


def test_a_file_with_the_right_user_is_left_alone() -> None:
    assert decide(f"600 root:root\n{LINE}") == Satisfied()


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("", "missing"),
        (f"644 root:root\n{LINE}", "644"),
        (f"600 root:root\n{LINE}{LINE}", "differ"),
        ("600 root:root\nbuilder:x", "differ"),
        ("600 root:root", "differ"),
    ],
    ids=["missing", "open", "two lines", "other password", "empty"],  # a hash differs each time
)
def test_any_other_is_written_anew(out: str, reason: str) -> None:
    decision = decide(out)
    assert isinstance(decision, Change)
    assert reason in decision.reason
    assert decision.actions == (SendUsers(WANTED),)
    assert "horse" not in str(decision)


def test_without_a_login_there_is_no_file() -> None:
    assert isinstance(decide(f"600 root:root\n{LINE}", None), Change)
    assert decide("", None) == Satisfied()


@pytest.mark.parametrize("password", ["x" * 73, "ä" * 37, "two\nlines"])
def test_a_password_that_would_not_work_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        credentials("builder", Secret(password))
    assert password not in str(refused.value)


def test_there_is_no_login_without_both_parts() -> None:
    assert credentials(None, None) is None
    assert credentials("builder", Secret("a password")) is not None


def test_a_password_is_hidden_in_the_form_it_has_for_curl_too() -> None:
    credentials("builder", Secret('odd"one\\here'))
    assert curl_quoted('odd"one\\here') == '"odd\\"one\\\\here"'
    assert "odd" not in redact('user = "odd\\"one\\\\here"')
