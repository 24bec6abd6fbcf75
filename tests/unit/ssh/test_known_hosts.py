"""What known_hosts files hold: markers, hashes, ports, patterns, and lines that make no sense."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import paramiko
import pytest

from picluster.errors import HostKeyChanged, HostKeyUnknown
from picluster.ssh.host_keys import HostKeys, accept_new, refuse_new

KEY, OTHER = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()


def entry(hosts: str, key: paramiko.PKey = KEY, marker: str = "") -> str:
    return f"{marker} {hosts} {key.get_name()} {key.get_base64()}\n".lstrip()


def check(tmp_path: Path, text: str, port: int = 22, *, agree: bool = False) -> None:
    """Present the key at 10.0.0.1, with a user's known_hosts of that text."""
    theirs = tmp_path / "theirs"
    theirs.write_text(text)
    known = HostKeys(tmp_path / "pins", accept_new if agree else refuse_new, users_files=(theirs,))
    known.check("pi1", "10.0.0.1", port, KEY)


def hashed(tmp_path: Path, text: str) -> str:
    file = tmp_path / "to-hash"
    file.write_text(text)
    subprocess.run(["ssh-keygen", "-H", "-f", file], check=True, capture_output=True)
    return file.read_text()


@pytest.mark.parametrize(
    ("hosts", "port"),
    [
        ("10.0.0.1", 22),
        ("pi.lan,10.0.0.1", 22),
        ("10.0.0.*", 22),
        ("[10.0.0.1]:2222", 2222),
        ("[10.0.0.?]:2222", 2222),
    ],
)
def test_a_host_is_found_however_it_is_written(tmp_path: Path, hosts: str, port: int) -> None:
    check(tmp_path, entry(hosts), port)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH hashes the names")
@pytest.mark.parametrize(("hosts", "port"), [("10.0.0.1", 22), ("[10.0.0.1]:2222", 2222)])
def test_a_hashed_name_is_found(tmp_path: Path, hosts: str, port: int) -> None:
    text = hashed(tmp_path, entry(hosts))
    assert "10.0.0.1" not in text
    check(tmp_path, text, port)


@pytest.mark.parametrize("hosts", ["10.0.0.2", "[10.0.0.1]:2222", "10.0.0.*,!10.0.0.1"])
def test_another_host_is_not(tmp_path: Path, hosts: str) -> None:
    with pytest.raises(HostKeyUnknown):
        check(tmp_path, entry(hosts))


@pytest.mark.parametrize("hosts", ["10.0.0.1", "*"])
def test_a_revoked_key_is_refused_whoever_would_agree(tmp_path: Path, hosts: str) -> None:
    text = entry("10.0.0.1") + entry(hosts, marker="@revoked")
    with pytest.raises(HostKeyChanged, match="is revoked") as refused:
        check(tmp_path, text, agree=True)
    assert "line 2 of" in refused.value.why


def test_another_key_that_is_revoked_is_no_matter(tmp_path: Path) -> None:
    check(tmp_path, entry("10.0.0.1") + entry("*", OTHER, "@revoked"))


def test_an_authority_is_told_as_not_supported_with_what_helps(tmp_path: Path) -> None:
    text = entry("*", OTHER, "@cert-authority")
    with pytest.raises(HostKeyUnknown) as refused:
        check(tmp_path, text)
    assert "line 1 of" in refused.value.why
    assert "certificates of hosts are not supported" in refused.value.why
    assert "--accept-new-host-keys" in refused.value.fix
    check(tmp_path, text, agree=True)


@pytest.mark.parametrize(
    "line", ["10.0.0.1 ssh-rsa not!base64\n", "10.0.0.1\n", "10.0.0.1 ssh-ed25519 AAAA\n", "@x y\n"]
)
def test_a_line_that_makes_no_sense_is_skipped_and_named(tmp_path: Path, line: str) -> None:
    check(tmp_path, line + entry("10.0.0.1"))
    with pytest.raises(HostKeyUnknown, match=r"line 1 of .* was skipped"):
        check(tmp_path, line)
