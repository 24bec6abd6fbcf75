"""Which keys a server is offered, in OpenSSH's order, and what is said if none is let in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.doubles.ssh_server import SshServer, running
from tests.unit.ssh.test_user_config import configure, home, make_key, node, relay, section

from picluster.errors import AuthenticationFailed, Unreachable
from picluster.secret import Secret
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys, accept_new
from picluster.ssh.keys import fingerprint

__all__ = ["home", "node"]

needs_agent = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="a real agent is asked")


@contextmanager
def agent(socket: Path, *keys: Path) -> Iterator[None]:
    """Run an agent with some keys; the comment of each is its path."""
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for key in keys:
            add = 'until [ -S "$SSH_AUTH_SOCK" ]; do sleep 0.02; done; ssh-add -q "$0"'
            environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
            subprocess.run(["sh", "-c", add, str(key)], env=environment, check=True)
        yield
    finally:
        process.terminate()
        process.wait(5)


def log_in(home: Path, **endpoint: object) -> None:
    reached = Endpoint("pi1", "node", connect_timeout=5, **endpoint)  # type: ignore[arg-type]
    SshConnector({"pi1": reached}, HostKeys(home / "pins", accept_new)).connect("pi1").close()


def crowd(home: Path, many: int) -> list[Path]:
    for number in range(many):
        make_key(home / f"other{number}")
    return [home / f"other{number}" for number in range(many)]


@needs_agent
def test_identities_only_keeps_an_agents_other_keys_from_the_server(
    home: Path, node: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The private key is nowhere but in the agent; of its eight the server hears this one."""
    node.allowed = {make_key(home / "key")}
    with (home / "key.pub").open("w") as public:
        command = ["ssh-keygen", "-y", "-f", str(home / "key")]
        subprocess.run(command, check=True, stdout=public)
    configure(home, section(node, f"IdentitiesOnly yes\n IdentityFile {home}/key.pub"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    with agent(home / "agent", *crowd(home, 7), home / "key"):
        log_in(home)
    assert set(node.offered) == node.allowed


@needs_agent
def test_of_the_agents_keys_the_named_one_is_offered_first(
    home: Path, node: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.allowed = {make_key(home / "key")}
    configure(home, section(node, f"IdentityFile {home}/key"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    with agent(home / "agent", *crowd(home, 7), home / "key"):
        log_in(home)
    assert set(node.offered) == node.allowed


@needs_agent
def test_the_agent_that_the_configuration_names_is_asked(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / "key")}
    configure(home, section(node, f"IdentityAgent {home}/agent"))
    with agent(home / "agent", home / "key"):
        log_in(home)
    assert node.users == ["pi"]


@needs_agent
def test_no_agent_is_asked_if_the_configuration_says_none(
    home: Path, node: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.allowed = {make_key(home / ".ssh" / "id_ed25519")}
    configure(home, section(node, "IdentityAgent none"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    with agent(home / "agent", *crowd(home, 2)):
        log_in(home)
    assert set(node.offered) == node.allowed


@needs_agent
def test_the_agent_opens_the_key_that_the_cluster_file_names(
    home: Path, node: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ssh-add` is what a key with a passphrase is advised; so it has to help."""
    node.allowed = {make_key(home / "key")}
    shutil.copy(home / "key", home / "open")
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(home / "key")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    configure(home, section(node))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    with agent(home / "agent", home / "open", *crowd(home, 1)):
        log_in(home, key=home / "key")
    assert set(node.offered) == node.allowed


@needs_agent
def test_a_refused_login_says_which_keys_were_offered_and_from_where(
    home: Path, node: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, filed = make_key(home / "held"), make_key(home / "filed")
    make_key(home / "locked", b"secret")
    files = f"IdentityFile {home}/filed\n IdentityFile {home}/locked"
    configure(home, section(node, files))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    with agent(home / "agent", home / "held"), pytest.raises(AuthenticationFailed) as refused:
        log_in(home)
    why = refused.value.why
    for blob, origin in ((held, "from the agent"), (filed, f"({home}/filed)")):
        assert fingerprint(blob) in why
        assert origin in why
    assert f"not offered: the key {home}/locked needs its passphrase" in why
    assert "ssh-copy-id pi@node" in refused.value.fix


@needs_agent
def test_a_server_that_hangs_up_after_too_many_keys_is_told_as_that(
    home: Path, node: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.allowed = {make_key(home / "key")}
    configure(home, section(node))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    with (
        agent(home / "agent", *crowd(home, 6), home / "key"),
        pytest.raises(AuthenticationFailed, match="MaxAuthTries") as refused,
    ):
        log_in(home)
    assert "IdentitiesOnly" in refused.value.why


def test_a_node_that_is_starting_is_not_told_as_one_that_refuses_the_key(
    home: Path, node: SshServer
) -> None:
    """The words are those that systemd leaves for pam_nologin while it boots."""
    node.allowed = {make_key(home / "key")}
    node.closed = (
        "System is booting up. Unprivileged users are not permitted to log in yet. Please come "
        "back later. For technical details, see pam_nologin(8).\r\n"
    )
    configure(home, section(node, f"IdentityFile {home}/key"))
    with pytest.raises(Unreachable, match="lets nobody in just now") as closed:
        log_in(home)
    assert "System is booting up" in closed.value.why
    assert "ssh-copy-id" not in closed.value.fix


def test_a_refused_password_tells_of_the_keys_as_well(home: Path, node: SshServer) -> None:
    node.password = "right"
    blob = make_key(home / ".ssh" / "id_ed25519")
    configure(home, section(node))
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(home, password=lambda: Secret("wrong"))
    assert fingerprint(blob) in refused.value.why
    assert "the password" in refused.value.why
    assert "wrong" not in str(refused.value)


def test_the_password_is_tried_where_no_key_is_let_in(home: Path, node: SshServer) -> None:
    node.password = "right"
    make_key(home / ".ssh" / "id_ed25519")
    configure(home, section(node))
    log_in(home, password=lambda: Secret("right"))
    assert node.users == ["pi"]


def test_a_jump_host_that_refuses_is_the_one_that_is_named(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / "key")}
    with running(SshServer()) as gate:
        configure(
            home,
            section(node, f"ProxyJump gate\n IdentityFile {home}/key")
            + section(gate, f"User guard\n IdentityFile {home}/key", host="gate"),
        )
        with pytest.raises(AuthenticationFailed, match="jump host gate"):
            log_in(home)


def test_without_any_key_that_is_said(home: Path, node: SshServer) -> None:
    configure(home, section(node))
    with pytest.raises(AuthenticationFailed, match="no key to offer"):
        log_in(home)


@needs_agent
def test_an_agent_that_is_gone_is_told(home: Path, node: SshServer) -> None:
    configure(home, section(node, f"IdentityAgent {home}/gone"))
    with pytest.raises(AuthenticationFailed, match="does not answer"):
        log_in(home)


def test_a_node_that_nobody_answers_for_is_no_refused_login(home: Path, node: SshServer) -> None:
    make_key(home / ".ssh" / "id_ed25519")
    configure(home, "Host node\n HostName 127.0.0.1\n Port 1\n")
    with pytest.raises(Unreachable):
        log_in(home)


def test_a_jump_host_may_have_a_key_of_its_own(home: Path, node: SshServer) -> None:
    node.allowed, gates = {make_key(home / "key")}, {make_key(home / "gate")}
    with running(SshServer(allowed=gates)) as gate:
        configure(
            home,
            section(node, "ProxyJump gate")
            + section(gate, f"IdentityFile {home}/gate", host="gate"),
        )
        log_in(home, key=home / "key")
        assert gate.forwarded == [("127.0.0.1", node.port)]


def test_a_command_that_stands_in_for_the_connection_ends_with_a_refused_login(
    home: Path, node: SshServer
) -> None:
    make_key(home / ".ssh" / "id_ed25519")
    configure(home, section(node, f"ProxyCommand {relay(home)} %h %p"))
    with pytest.raises(AuthenticationFailed):
        log_in(home)
    pid = (home / "pid").read_text()
    ended = f"for i in 1 2 3 4 5 6 7 8 9; do kill -0 {pid} 2>&- || exit 0; sleep 0.2; done; exit 1"
    subprocess.run(["sh", "-c", ended], check=True)


def test_a_closed_session_leaves_no_connection_to_a_jump_host(home: Path, node: SshServer) -> None:
    node.allowed = {make_key(home / ".ssh" / "id_ed25519")}
    with running(SshServer(allowed=node.allowed)) as gate:
        configure(home, section(node, "ProxyJump gate") + section(gate, host="gate"))
        log_in(home)
        (transport,) = gate.transports
        transport.join(5)
        assert not transport.is_active()


def test_packets_are_checked_by_the_cipher_and_not_in_python(home: Path, node: SshServer) -> None:
    """Paramiko compares every other cipher's checksum byte by byte: a third of what a packet costs.

    An old sshd that has no such cipher is spoken to with the others.
    """
    node.allowed = {make_key(home / "key")}
    configure(home, section(node, f"IdentityFile {home}/key"))
    reached = Endpoint("pi1", "node", connect_timeout=5)
    session = SshConnector({"pi1": reached}, HostKeys(home / "pins", accept_new)).connect("pi1")
    security = session.transport.get_security_options()
    assert session.transport.remote_cipher == "aes128-gcm@openssh.com"
    assert "aes128-ctr" in security.ciphers
    session.close()
