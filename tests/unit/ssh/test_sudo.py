"""Whether it was sudo that failed, and what to do then, is told by its words."""

from __future__ import annotations

import pytest

from picluster.ssh.session import sudo_refusal


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
