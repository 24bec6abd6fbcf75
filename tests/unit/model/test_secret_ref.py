"""Secrets are fetched late, from where the file says, and never shown."""

from __future__ import annotations

import pytest

from picluster.errors import ConfigInvalid
from picluster.model import SecretRef, load
from picluster.secret import Secret, redact
from picluster.steps.k3s.token import choose_token


def nobody_is_asked(label):
    raise AssertionError(f"asked for {label}")


def test_a_variable_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("PI_PASSWORD", "correct horse")
    secret = SecretRef("env", "PI_PASSWORD").resolve(label="login password", ask=nobody_is_asked)
    assert secret == Secret("correct horse")
    assert "correct horse" not in repr(secret)
    assert redact("it is correct horse") == "it is ***"


def test_a_missing_variable_is_named():
    with pytest.raises(ConfigInvalid, match="PI_PASSWORD is not set") as caught:
        SecretRef("env", "PI_PASSWORD").resolve(label="token", ask=nobody_is_asked, environ={})
    assert "token" in caught.value.why


def test_an_empty_secret_is_refused(tmp_path):
    with pytest.raises(ConfigInvalid, match="token is empty"):
        SecretRef("env", "T").resolve(label="token", ask=nobody_is_asked, environ={"T": ""})
    with pytest.raises(ConfigInvalid, match="token is empty"):
        SecretRef("prompt").resolve(label="token", ask=lambda _label: "")


@pytest.mark.parametrize("content", [b"s3cret-token", b"s3cret-token\n", b"s3cret-token\r\n"])
def test_a_file_is_read_without_the_end_of_its_line(tmp_path, smallest, content):
    (tmp_path / "token").write_bytes(content)
    (tmp_path / "cluster.yaml").write_text(smallest + "k3s: {token: file:token}\n")
    token = load(tmp_path / "cluster.yaml").cluster.k3s.token
    assert token.resolve(label="token", ask=nobody_is_asked).reveal() == "s3cret-token"


@pytest.mark.parametrize("content", [b" a b \n\n", b" a b \r\n\r\n"])
def test_line_ends_are_no_part_of_it_however_many_and_blanks_are(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    ref = SecretRef("file", str(tmp_path / "key"))
    assert ref.resolve(label="key", ask=nobody_is_asked).reveal() == " a b "


def test_the_environment_and_the_keyboard_may_end_it_with_a_line_too():
    found = SecretRef("env", "X").resolve(label="key", ask=nobody_is_asked, environ={"X": "a\n"})
    assert found.reveal() == "a"
    assert SecretRef("prompt").resolve(label="key", ask=lambda label: "b\r").reveal() == "b"


def test_an_unusual_blank_may_be_part_of_it(tmp_path):
    (tmp_path / "key").write_bytes("a\xa0é".encode())
    ref = SecretRef("file", str(tmp_path / "key"))
    assert ref.resolve(label="key", ask=nobody_is_asked).reveal() == "a\xa0é"


@pytest.mark.parametrize("content", [b"a\nb", b"a\0b", b"a\x1b[2J"])
def test_a_line_break_in_the_middle_is_refused_and_nothing_of_it_shown(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigInvalid, match="has a line break") as refused:
        SecretRef("file", str(tmp_path / "key")).resolve(label="key", ask=nobody_is_asked)
    assert "on one line" in refused.value.fix
    assert content.decode() not in str(refused.value)


def test_what_is_no_utf8_is_refused_wherever_it_comes_from():
    latin = b"p\xe4sswort".decode(errors="surrogateescape")
    for given in (SecretRef("env", "A"), SecretRef("prompt")):
        with pytest.raises(ConfigInvalid, match="is not UTF-8 text") as caught:
            given.resolve(label="token", ask=lambda _: latin, environ={"A": latin})
        assert "sswort" not in str(caught.value)


def test_blanks_around_a_token_are_no_part_of_it(tmp_path):
    assert choose_token(Secret(" s3cret "), tmp_path / "token").secret.reveal() == "s3cret"


def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    reasons = {"gone": "no such file", "": "is a directory", "large": "64 KiB", "binary": "utf-8"}
    for name, reason in reasons.items():
        with pytest.raises(ConfigInvalid, match="cannot read the token") as caught:
            SecretRef("file", str(tmp_path / name)).resolve(label="token", ask=nobody_is_asked)
        assert reason.lower() in caught.value.why.lower()
        assert str(tmp_path / name) in caught.value.what


def test_home_is_expanded_when_the_file_is_read(tmp_path, monkeypatch, cluster):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cluster("k3s: {token: file:~/token}\n").k3s.token.target == str(tmp_path / "token")


def test_a_prompt_asks_with_the_label():
    asked = []
    ref = SecretRef("prompt")
    secret = ref.resolve(label="sudo password of pi3", ask=lambda what: asked.append(what) or "pw")
    assert asked == ["sudo password of pi3"]
    assert secret.reveal() == "pw"


def test_loading_fetches_no_secret(cluster):
    assert cluster("ssh: {password: env:NOT_SET, sudo_password: file:/not/there}\n")
