"""What a run brings back for the user is shown after its recap, and passwords to eyes only."""

from __future__ import annotations

import sys

import pytest

from picluster.apps.opentakserver.administrator import NewPassword
from picluster.cli.sinks import show_brought
from picluster.engine.place import Brought
from picluster.secret import Secret
from picluster.steps.registry.garbage import Freed


@pytest.mark.parametrize(
    ("terminal", "said"),
    [
        (True, "the administrator has the password sesame-open (`picluster credentials`)"),
        (False, "the administrator has a new password: `picluster credentials` shows it"),
    ],
)
def test_a_new_password_is_shown_on_a_terminal_only(
    terminal: bool, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    brought = Brought()
    brought.add(NewPassword("the administrator", Secret("sesame-open")))
    brought.add(Freed(5_000_000, 3_000_000))
    show_brought(brought)
    assert capsys.readouterr().out.splitlines() == [
        said,
        "freed 2.0 MB; the registry takes 3.0 MB now",
    ]


def test_a_run_that_brought_nothing_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_brought(Brought())
    assert capsys.readouterr().out == ""
