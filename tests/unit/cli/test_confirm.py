"""What is destroyed is confirmed by typing its name."""

from __future__ import annotations

import io
import sys

import pytest

from picluster.cli import prompts
from picluster.cli.prompts import confirm_name
from picluster.errors import UsageError


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(prompts, "at_a_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))


def test_the_name_lets_it_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_a_terminal(monkeypatch, "home\n")
    confirm_name("home", "uninstall the cluster home")
    assert "This will uninstall the cluster home. Type home to go on" in capsys.readouterr().err


@pytest.mark.parametrize("typed", ["", "\n", "y\n", "yes\n", "hom\n", "HOME\n"])
def test_anything_else_does_not(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    at_a_terminal(monkeypatch, typed)
    with pytest.raises(UsageError, match="nothing was changed"):
        confirm_name("home", "uninstall it")


def test_without_a_terminal_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "at_a_terminal", lambda: False)
    with pytest.raises(UsageError) as caught:
        confirm_name("home", "uninstall it")
    assert "--yes" in caught.value.fix
