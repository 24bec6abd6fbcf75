"""A private key that the cluster file names, with a passphrase and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from picluster.errors import ActionFailed, AuthenticationFailed, Unreachable
from picluster.ssh import connector as ssh_connector
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys
from picluster.steps.access.own_key import public_key

OPENSSH = serialization.PrivateFormat.OpenSSH
PEM = serialization.PrivateFormat.TraditionalOpenSSL
KINDS = {
    "ed25519": (ed25519.Ed25519PrivateKey.generate(), OPENSSH),
    "ecdsa": (ec.generate_private_key(ec.SECP256R1()), OPENSSH),
    "rsa of old": (rsa.generate_private_key(65537, 2048), PEM),
}


@pytest.fixture(params=KINDS)
def key(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A key file with the passphrase `open`."""
    made, form = KINDS[request.param]
    secret = serialization.BestAvailableEncryption(b"open")
    path = tmp_path / "key"
    path.write_bytes(made.private_bytes(serialization.Encoding.PEM, form, secret))
    return path


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_connector, "_ATTEMPTS", 1)


def log_in(key: Path, passphrase: str | None) -> None:
    """Get as far as the network, which nobody answers on."""
    nobody = {"pi1": Endpoint("pi1", "127.0.0.1", 1, "pi", key)}
    ask = None if passphrase is None else (lambda question: passphrase)
    SshConnector(nobody, HostKeys(key.with_name("pins"), users_files=()), ask).connect("pi1")


def test_the_right_passphrase_opens_it(key: Path) -> None:
    with pytest.raises(Unreachable):
        log_in(key, "open")


@pytest.mark.parametrize("wrong", ["shut", ""])
def test_a_wrong_passphrase_is_told(key: Path, wrong: str) -> None:
    with pytest.raises(AuthenticationFailed, match="not the passphrase"):
        log_in(key, wrong)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("key", None, "no such file or directory"),
        ("key", "garbage\n", "it is no private key in a form that OpenSSH reads"),
        ("key.pub", "ssh-ed25519 AAAA pi\n", "the private one has no .pub in its name"),
    ],
)
def test_what_is_no_key_is_said_to_be_none(
    name: str, text: str | None, why: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(AuthenticationFailed, match="cannot be used") as caught:
        log_in(path, "open")
    assert why in caught.value.why
    assert "http" not in caught.value.why, "a library's own words"


def test_where_nobody_can_be_asked_it_is_said_what_is_missing(key: Path) -> None:
    with pytest.raises(AuthenticationFailed, match="needs its passphrase") as refused:
        log_in(key, None)
    assert "ssh-add" in refused.value.fix


def test_its_public_half_is_not_guessed_at(key: Path) -> None:
    with pytest.raises(ActionFailed, match="cannot be read") as refused:
        public_key(key)
    assert "ssh-keygen -y" in refused.value.fix
