"""Whether sudo lets a script begin is told by the script; why it does not, by sudo's words."""

from __future__ import annotations

import pytest
from tests.doubles.ssh_channel import ShellChannel, session_over

from picluster.engine.session import Completed
from picluster.errors import SudoUnavailable
from picluster.secret import Secret
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.session import SshSession, no_rights


@pytest.mark.parametrize(
    ("said", "what", "fix"),
    [
        ("sudo: a password is required", "sudo asks for a password for pi", "ssh.sudo_password"),
        ("sudo: interactive authentication is required", "for pi", "010_pi"),
        ("pi is not allowed to run sudo on pi1.", "pi may not use sudo", "adduser pi sudo"),
        ("sudo: I'm sorry pi. I'm afraid I can't do that", "pi may not use sudo", "adduser pi"),
        ("sudo: Account or password is expired, reset it", "of pi has expired", "log in as pi"),
        ("sudo: se requiere una contraseña", "sudo asks for a password for pi", "010_pi"),
    ],
)
def test_a_refusal_names_the_user_and_the_way_out(said: str, what: str, fix: str) -> None:
    refused = no_rights(f"warning: something\n{said}", "pi", "pi1", told=False)
    assert what in refused.what
    assert fix in refused.fix
    assert refused.where == "pi1"
    assert said in refused.why


def test_words_that_nobody_knows_after_a_password_are_taken_for_a_wrong_one() -> None:
    refused = no_rights("Das hat nicht funktioniert.", "pi", "pi1", told=True)
    assert refused.what == "sudo does not accept the password"
    assert refused.why == "it said: Das hat nicht funktioniert."


# ------------------------------------------------------------------ a password for sudo

ASKS = "sudo: a password is required"
WORDS = {
    "sudo": ASKS,
    "sudo-rs": "sudo: interactive authentication is required",
    "another language": "sudo: ein Passwort ist notwendig",
    "a greeting and a lecture": f"warning: setlocale\nRespect the privacy of others.\n{ASKS}",
    "nothing": "",
}


class Sudo(ShellChannel):
    """A node whose sudo says these words and ends, unless it is told the right password."""

    def __init__(self, words: str, right: str) -> None:
        super().__init__()
        self.words, self.right = words, right
        self.told: list[str] = []

    def exec_command(self, command: str) -> None:
        """Start what sudo lets begin."""
        rest = command.partition(" -- ")[2]
        if " sudo -S " not in command:
            self.told.append("")
            super().exec_command(f"printf '%s\\n' '{self.words}' >&2; exit 1")
            return
        self.told.append("?")
        check = f'read -r told; [ "$told" = {self.right} ] || exit 1'
        super().exec_command(f"{check}; {rest}")


def session(node: Sudo, login: str = "", sudo: str = "") -> SshSession:
    """Return a session of `pi` with these passwords."""
    made = session_over(node, "pi")
    made.endpoint = Endpoint(
        "pi1",
        "10.0.0.1",
        password=(lambda: Secret(login)) if login else None,
        sudo_password=Secret(sudo) if sudo else None,
    )
    return made


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_sudo_is_told_the_login_s_password_where_nothing_began_whatever_it_says(words: str) -> None:
    node = Sudo(words, "raspberry")
    done = session(node, login="raspberry").run("echo done", timeout=20)
    assert done == Completed(0, b"done\n", b"")
    assert node.told == ["", "?"]


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_without_another_password_it_is_a_refusal_with_its_words(words: str) -> None:
    for known in ({}, {"login": "strawberry"}, {"sudo": "strawberry"}):
        with pytest.raises(SudoUnavailable) as caught:
            session(Sudo(words, "raspberry"), **known).run("true", timeout=20)
        assert "ssh.sudo_password" in caught.value.fix
    assert "it said: " in caught.value.why


class TooLate(Sudo):
    """A node whose sudo has ended by the time that anything is sent, unseen until then."""

    def send(self, data: bytes) -> int:
        """Refuse it, as a closed channel of paramiko does."""
        self.recv_exit_status()
        raise OSError("Socket is closed")

    def exit_status_ready(self) -> bool:
        """Tell of the end only once something was sent."""
        return self._process is not None and self._process.returncode is not None


def test_a_refusal_that_ends_while_the_script_is_being_sent_keeps_its_words() -> None:
    with pytest.raises(SudoUnavailable) as caught:
        session(TooLate(ASKS, "raspberry")).run("true", timeout=20)
    assert ASKS in caught.value.why


def test_a_script_that_has_begun_is_not_run_again_and_its_failure_is_its_own() -> None:
    node = Sudo("", "raspberry")
    done = session(node, sudo="raspberry").run(f"echo '{ASKS}' >&2; exit 1", timeout=20)
    assert done == Completed(1, b"", f"{ASKS}\n".encode())
    assert node.told == ["?"]


def test_nobody_is_asked_while_sudo_does_not() -> None:
    def never() -> Secret:
        raise AssertionError("somebody is asked for a password")

    made = session_over(ShellChannel(), "root")
    made.endpoint = Endpoint("pi1", "10.0.0.1", password=never)
    assert made.run("echo done", timeout=20).out == b"done\n"
