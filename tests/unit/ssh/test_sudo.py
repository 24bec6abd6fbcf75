"""Whether it was sudo that failed, and what to do then, is told by its words."""

from __future__ import annotations

from typing import ClassVar

import pytest

from picluster.engine.session import Completed, OnOutput, Traffic
from picluster.errors import SudoUnavailable
from picluster.secret import Secret
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.session import SshSession, sudo_refusal


@pytest.mark.parametrize(
    ("said", "what", "fix"),
    [
        ("sudo: a password is required", "sudo asks for a password for pi", "ssh.sudo_password"),
        ("sudo: interactive authentication is required", "for pi", "010_pi"),
        ("pi is not allowed to run sudo on pi1.", "pi may not use sudo", "adduser pi sudo"),
        ("sudo: I'm sorry pi. I'm afraid I can't do that", "pi may not use sudo", "adduser pi"),
        ("sudo: Account or password is expired, reset it", "of pi has expired", "log in as pi"),
    ],
)
def test_a_refusal_names_the_user_and_the_way_out(said: str, what: str, fix: str) -> None:
    refused = sudo_refusal(f"warning: something\n{said}\n", "pi", "pi1")
    assert refused is not None, f"not known as sudo's: {said}"
    assert what in refused.what
    assert fix in refused.fix
    assert refused.where == "pi1"


def test_what_a_script_says_is_no_refusal_of_sudo() -> None:
    assert sudo_refusal("E: you may not run this twice\npassword expired: no", "pi", "pi1") is None


# ------------------------------------------------------------------ a password for sudo

ASKS = Completed(1, b"", b"sudo: a password is required\n")
DONE = Completed(0, b"root\n", b"")


class Told(SshSession):
    """A session whose node gives the answers it is told to; notes the password of each call."""

    answers: ClassVar[list[Completed]]
    passwords: ClassVar[list[str]]

    def _run(self, script: str, timeout: float, on_output: OnOutput | None) -> Completed:
        secret = self.endpoint.sudo_password
        self.passwords.append(secret.reveal() if secret else "")
        return self.answers.pop(0)


def run(*answers: Completed, login: str = "", sudo: str = "") -> tuple[Completed, list[str]]:
    """Run a script; return how it ended, and which password each try went with."""
    Told.answers, Told.passwords = list(answers), []
    endpoint = Endpoint(
        "pi1",
        "10.0.0.1",
        password=(lambda: Secret(login)) if login else None,
        sudo_password=Secret(sudo) if sudo else None,
    )
    session = Told(endpoint, "pi", None, None, Traffic())  # type: ignore[arg-type]
    return session.run("whoami", timeout=5), Told.passwords


def test_sudo_that_asks_is_told_the_login_s_password_although_the_key_was_let_in() -> None:
    assert run(ASKS, DONE, login="raspberry") == (DONE, ["", "raspberry"])


def test_nobody_is_asked_while_sudo_does_not() -> None:
    assert run(DONE, login="raspberry") == (DONE, [""])


@pytest.mark.parametrize("known", [{}, {"login": "raspberry", "sudo": "other"}])
def test_without_another_password_it_is_a_refusal(known: dict[str, str]) -> None:
    with pytest.raises(SudoUnavailable, match="asks for a password"):
        run(ASKS, **known)


@pytest.mark.parametrize(
    "begun",
    [
        Completed(1, b"half done\n", b"sudo: a password is required\n"),
        Completed(1, b"", b"moving\nsudo: a password is required\n"),
    ],
)
def test_a_script_that_has_begun_is_not_run_again(begun: Completed) -> None:
    with pytest.raises(SudoUnavailable):
        run(begun, login="raspberry")
    assert Told.passwords == [""]
