"""The user's own SSH configuration is followed as OpenSSH follows it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.doubles.ssh_server import SshServer, running

from picluster.errors import NodeError, Unreachable
from picluster.model.ssh import JumpHost
from picluster.ssh import connector as ssh_connector
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys, accept_new

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH is asked")


def make_key(path: Path, passphrase: bytes | None = None) -> bytes:
    """Write a private key as OpenSSH does; return the public one."""
    encryption = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    made = ed25519.Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption
        )
    )
    path.chmod(0o600)
    plain = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    scratch = path.with_name("plain")
    scratch.write_bytes(plain)
    public = paramiko.Ed25519Key.from_private_key_file(str(scratch)).asbytes()
    scratch.unlink()
    return public


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(ssh_connector, "_ATTEMPTS", 1)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def node() -> Iterator[SshServer]:
    with running(SshServer()) as server:
        yield server


def configure(home: Path, text: str) -> None:
    (home / ".ssh" / "config").write_text(text)


def connector(home: Path, host: str = "node", **endpoint: object) -> SshConnector:
    reached = {"pi1": Endpoint("pi1", host, connect_timeout=5, **endpoint)}  # type: ignore[arg-type]
    return SshConnector(reached, HostKeys(home / "pins", accept_new))


def log_in(home: Path, host: str = "node", **endpoint: object) -> str:
    """Log in to the node as the configuration says; return as whom."""
    session = connector(home, host, **endpoint).connect("pi1")
    session.close()
    return session.user


def section(node: SshServer, more: str = "", host: str = "node") -> str:
    return f"Host {host}\n HostName 127.0.0.1\n Port {node.port}\n User pi\n {more}\n"


@needs_ssh
def test_an_included_file_counts(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / "key")}
    (home / ".ssh" / "more").write_text(section(node, f"IdentityFile {home}/key"))
    configure(home, f"Include {home}/.ssh/more\n")
    assert log_in(home) == "pi"


@needs_ssh
def test_a_match_that_runs_a_command_counts(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / "key")}
    text = f'Match originalhost node exec "test 1 = 1"\n HostName 127.0.0.1\n Port {node.port}\n'
    configure(home, f"{text} User pi\n IdentityFile {home}/key\n")
    assert log_in(home) == "pi"


@needs_ssh
@pytest.mark.parametrize("line", ['IdentityFile "{0}/a key"', "IdentityFile={0}/%n-%h-%r"])
def test_quotes_equals_signs_and_tokens_are_read(home: Path, node: SshServer, line: str) -> None:
    node.allowed = {make_key(home / "a key")}
    shutil.copy(home / "a key", home / "node-127.0.0.1-pi")
    configure(home, section(node, line.format(home)))
    assert log_in(home) == "pi"


def test_no_jump_host_is_no_jump_host(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / ".ssh" / "id_ed25519")}
    configure(home, f"{section(node, 'ProxyJump none')}Host *\n ProxyJump nowhere.invalid\n")
    assert log_in(home) == "pi"


def test_a_jump_host_of_the_configuration_is_gone_through(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / ".ssh" / "id_ed25519")}
    with running(SshServer(allowed=node.allowed)) as gate:
        through_it = section(node, "ProxyJump gate") + section(gate, host="gate")
        configure(home, f"{through_it}Host *\n ProxyJump gate\n")
        assert log_in(home) == "pi"
        assert gate.forwarded == [("127.0.0.1", node.port)]


def test_the_cluster_files_jump_host_goes_before_the_configurations(
    home: Path, node: SshServer
) -> None:
    node.allowed = {make_key(home / ".ssh" / "id_ed25519")}
    with running(SshServer(allowed=node.allowed)) as gate:
        configure(home, section(node, "ProxyJump nowhere.invalid"))
        assert log_in(home, jump=JumpHost("localhost", "gate", gate.port)) == "pi"
        assert gate.users == ["gate"]


def relay(home: Path) -> str:
    """Return a command that carries bytes to a host and port, and leaves its process id behind."""
    script = home / "relay.py"
    script.write_text(
        "import os, socket, sys, threading\n"
        f"open('{home}/pid', 'w').write(str(os.getpid()))\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def back():\n"
        "    while data := s.recv(65536): os.write(1, data)\n"
        "threading.Thread(target=back, daemon=True).start()\n"
        "while data := os.read(0, 65536): s.sendall(data)\n"
    )
    return f"{sys.executable} {script}"


@needs_ssh
def test_a_command_stands_in_for_the_connection(
    home: Path, node: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")
    node.allowed = {make_key(home / ".ssh" / "id_ed25519")}
    configure(home, section(node, f"ProxyCommand {relay(home)} %h %p 2>{home}/said"))
    assert log_in(home) == "pi"
    assert (home / "said").exists(), "no shell ran it"


def test_what_the_cluster_file_says_wins(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / "key")}
    make_key(home / "other")
    configure(home, f"Host 127.0.0.1\n User nobody\n Port 1\n IdentityFile {home}/other\n")
    user = log_in(home, "127.0.0.1", user="pi", port=node.port, key=home / "key")
    assert (user, node.offered) == ("pi", list(node.allowed) * len(node.offered))


@needs_ssh
def test_a_host_is_asked_about_once(home: Path, node: SshServer) -> None:
    asked = home / "asked"
    ssh = home / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" >>{asked}\necho port 1\n')
    ssh.chmod(0o755)
    config = ssh_connector.UserConfig(ssh=str(ssh))
    for name in ("pi1", "pi2", "pi1", "pi1"):
        config.route(name)
    assert len(asked.read_text().splitlines()) == 2


@needs_ssh
def test_a_configuration_that_ssh_refuses_is_quoted(home: Path) -> None:
    configure(home, "Hots pi\n")
    with pytest.raises(NodeError, match="cannot be understood") as refused:
        log_in(home)
    assert "hots" in refused.value.why
    assert "ssh -G node" in refused.value.fix


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a b", "$(touch x)", ""])
def test_what_is_no_host_name_reaches_no_command_line(home: Path, host: str) -> None:
    with pytest.raises(NodeError, match="no name of a host"):
        log_in(home, host)


# ------------------------------------------------------------------ without ssh


@pytest.fixture
def without_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.mark.usefixtures("without_ssh")
def test_without_ssh_its_file_is_read_all_the_same(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / "key")}
    make_key(home / ".ssh" / "id_ed25519")
    configure(home, section(node, f"IdentityFile {home}/key\n IdentitiesOnly yes"))
    assert log_in(home) == "pi"
    assert set(node.offered) == node.allowed


@pytest.mark.usefixtures("without_ssh")
def test_a_condition_that_cannot_be_judged_does_not_hold(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / ".ssh" / "id_ed25519")}
    far = "Match localnetwork 192.0.2.0/24 host node\n ProxyJump nowhere.invalid\n User stranger\n"
    configure(home, far + section(node))
    assert log_in(home) == "pi"


@pytest.mark.usefixtures("without_ssh")
def test_what_could_not_be_followed_without_ssh_is_named(home: Path) -> None:
    configure(
        home, 'Include more\nMatch exec "true"\n User x\nHost *\n HostName 127.0.0.1\n Port 1\n'
    )
    with pytest.raises(Unreachable) as refused:
        log_in(home)
    assert "Include (line 1 of" in refused.value.why
    assert "Match exec (line 2 of" in refused.value.why


def test_a_command_that_fails_is_named(home: Path, node: SshServer) -> None:
    configure(home, section(node, "ProxyCommand ls /no/%h"))
    with pytest.raises(Unreachable) as refused:
        log_in(home)
    assert "`ls /no/127.0.0.1`" in refused.value.why
    assert "No such file" in refused.value.why


@pytest.mark.usefixtures("without_ssh")
@pytest.mark.parametrize(
    "line",
    [
        "Port ssh",
        "Port 0",
        "Port 65536",
        "ProxyJump a:65536",
        "HostName a b",
        "ProxyJump a b",
        "Nonsense",
    ],
)
def test_without_ssh_nonsense_is_told_as_that(home: Path, line: str) -> None:
    configure(home, f"Host node\n  {line}\n")
    with pytest.raises(NodeError, match="cannot be understood") as refused:
        log_in(home)
    assert "ssh -G node" in refused.value.fix
