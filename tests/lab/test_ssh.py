"""Logging in to real nodes, and every way in which that fails."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from picluster.engine.session import Completed
from picluster.errors import (
    AuthenticationFailed,
    HostKeyChanged,
    HostKeyUnknown,
    NodeError,
    SudoUnavailable,
    Unreachable,
)
from picluster.model.ssh import JumpHost
from picluster.secret import Secret
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys, accept_new
from picluster.ssh.session import SshSession
from tests.lab.bench import Bench, Pi


def endpoint_of(pi: Pi) -> Endpoint:
    return Endpoint(pi.name, pi.address, user="pi", key=pi.lab.key, connect_timeout=3)


def said(done: Completed) -> str:
    return done.out.decode()


def connector(bench: Bench, *endpoints: Endpoint, pins: Path | None = None) -> SshConnector:
    by_name = {endpoint.node: endpoint for endpoint in endpoints}
    return SshConnector(by_name, HostKeys(pins or bench.known_hosts))


@pytest.fixture
def session(solo: Bench, pi: Pi) -> Iterator[SshSession]:
    session = connector(solo, endpoint_of(pi)).connect(pi.name)
    yield session
    session.close()


def test_a_script_runs_as_root_in_a_fixed_environment(session: SshSession) -> None:
    done = session.run('id -u; echo "$LC_ALL $PATH"; umask; cat | wc -c', timeout=20)
    uid, environment, umask, stdin = said(done).split("\n")[:4]
    assert (uid, umask, stdin) == ("0", "0022", "0"), done
    assert environment.startswith("C /usr/local/sbin:"), environment


def test_status_and_both_outputs_come_back(session: SshSession) -> None:
    done = session.run("echo out; echo err >&2; exit 7", timeout=20)
    assert (done.status, done.out, done.err) == (7, b"out\n", b"err\n")


def test_nothing_of_a_script_shows_in_the_process_list(session: SshSession, pi: Pi) -> None:
    running = threading.Thread(
        target=session.run, args=(": s3cr3t-word; sleep 3",), kwargs={"timeout": 20}
    )
    running.start()
    time.sleep(1)
    listing = pi.sh("ps -eww -o args; cat /proc/[0-9]*/environ | tr '\\0' '\\n'")
    running.join()
    assert "sleep 3" in listing, "the script was not running when the list was taken"
    assert "s3cr3t-word" not in listing


def test_a_script_that_takes_too_long_is_ended_on_the_node(session: SshSession, pi: Pi) -> None:
    with pytest.raises(Unreachable):
        session.run("sleep 4321", timeout=1)
    deadline = time.monotonic() + 20
    while pi.status("pgrep -f '[s]leep 4321'") == 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert pi.status("pgrep -f '[s]leep 4321'") == 1, "it still runs"


def test_an_upload_is_whole_with_its_mode_and_owner(
    session: SshSession, pi: Pi, tmp_path: Path
) -> None:
    source = tmp_path / "file"
    source.write_bytes(os.urandom(3_000_001))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    session.upload(
        source, "/opt/it's here", sha256=digest, mode=0o640, owner="root:sudo", timeout=60
    )
    facts = pi.sh(
        "stat -c '%a %U:%G' /opt/it*; cat /opt/it* | sha256sum; ls -A /opt | wc -l"
    ).split("\n")
    assert facts[0] == "640 root:sudo"
    assert facts[1].startswith(digest)
    assert facts[2] == "1", "a temporary file was left behind"


def test_an_upload_that_does_not_fit_its_digest_changes_nothing(
    session: SshSession, pi: Pi, tmp_path: Path
) -> None:
    source = tmp_path / "file"
    source.write_text("new")
    pi.sh("echo old >/opt/file")
    with pytest.raises(Exception, match="file"):
        session.upload(
            source, "/opt/file", sha256="0" * 64, mode=0o644, owner="root:root", timeout=60
        )
    assert pi.sh("cat /opt/file; ls -A /opt | wc -l") == "old\n1\n"


def test_a_port_of_the_node_is_reached_through_the_connection(session: SshSession) -> None:
    forward = session.forward("127.0.0.1", 22)
    with socket.create_connection(("127.0.0.1", forward.port), timeout=5) as connection:
        banner = connection.recv(16)
    assert banner.startswith(b"SSH-2.0")


def test_sudo_with_its_password(solo: Bench, pi: Pi) -> None:
    pi.sh("rm /etc/sudoers.d/010_pi-nopasswd; echo pi:raspberry | chpasswd")
    endpoint = endpoint_of(pi)
    with pytest.raises(SudoUnavailable, match="sudo"):
        connector(solo, endpoint).connect(pi.name).run("true", timeout=20)
    wrong = replace(endpoint, sudo_password=Secret("strawberry"))
    with pytest.raises(SudoUnavailable):
        connector(solo, wrong).connect(pi.name).run("true", timeout=20)
    right = replace(endpoint, sudo_password=Secret("raspberry"))
    done = connector(solo, right).connect(pi.name).run("id -u; cat", timeout=20)
    assert (done.out, done.status) == (b"0\n", 0)


def test_logging_in_with_a_password(solo: Bench, pi: Pi, tmp_path: Path) -> None:
    pi.sh("echo pi:raspberry | chpasswd; rm /home/pi/.ssh/authorized_keys")
    endpoint = replace(endpoint_of(pi), key=None, password=lambda: Secret("raspberry"))
    assert connector(solo, endpoint).connect(pi.name).run("id -u", timeout=20).out == b"0\n"


def test_a_user_without_sudo_is_told_so(solo: Bench, pi: Pi) -> None:
    pi.sh("rm /etc/sudoers.d/010_pi-nopasswd; gpasswd -d pi sudo; echo pi:raspberry | chpasswd")
    endpoint = replace(endpoint_of(pi), sudo_password=Secret("raspberry"))
    with pytest.raises(SudoUnavailable):
        connector(solo, endpoint).connect(pi.name).run("true", timeout=20)


def test_a_refused_key_says_how_to_install_it(solo: Bench, pi: Pi) -> None:
    pi.sh("rm /home/pi/.ssh/authorized_keys")
    with pytest.raises(AuthenticationFailed, match="ssh-copy-id"):
        connector(solo, endpoint_of(pi)).connect(pi.name)


def test_an_unknown_host_key_is_pinned_only_if_somebody_agrees(
    solo: Bench, pi: Pi, tmp_path: Path
) -> None:
    pins = tmp_path / "known_hosts"
    with pytest.raises(HostKeyUnknown, match="SHA256:"):
        connector(solo, endpoint_of(pi), pins=pins).connect(pi.name)
    agreeing = SshConnector({pi.name: endpoint_of(pi)}, HostKeys(pins, accept_new))
    agreeing.connect(pi.name).close()
    connector(solo, endpoint_of(pi), pins=pins).connect(pi.name).close()


def test_a_changed_host_key_is_refused_even_from_somebody_who_trusts_new_ones(
    solo: Bench, pi: Pi
) -> None:
    pi.sh("rm /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null; systemctl restart ssh")
    keys = HostKeys(solo.known_hosts, accept_new)
    with pytest.raises(HostKeyChanged, match=f"known-hosts forget {pi.name}"):
        SshConnector({pi.name: endpoint_of(pi)}, keys).connect(pi.name)


def test_a_node_that_is_off_and_one_without_sshd(solo: Bench, pi: Pi) -> None:
    pi.sh("systemctl stop ssh.service ssh.socket 2>/dev/null || systemctl stop ssh")
    with pytest.raises(Unreachable, match="SSH"):
        connector(solo, endpoint_of(pi)).connect(pi.name)
    pi.break_("power-off")
    with pytest.raises(Unreachable):
        connector(solo, endpoint_of(pi)).connect(pi.name)


def test_through_a_jump_host(trio: Bench, solo: Bench) -> None:
    """The nodes' own cables are one lab; the jump host sees what we see through its address."""
    jump, target = trio.node(1), trio.node(2)
    endpoint = replace(endpoint_of(target), jump=JumpHost(jump.address, "pi"))
    session = connector(trio, endpoint).connect(target.name)
    origin = session.run("echo $SUDO_USER; ss -Htn state established '( sport = :22 )'", timeout=20)
    assert jump.address in said(origin), (
        f"the connection does not come from the jump host: {origin}"
    )


def test_a_connection_that_the_node_closes_is_noticed_at_once(session: SshSession, pi: Pi) -> None:
    timer = threading.Timer(0.5, lambda: pi.sh("pkill -KILL -f 'sshd: [p]i'"))
    timer.start()
    with pytest.raises(Unreachable, match="lost"):
        session.run("sleep 600", timeout=500)
    timer.join()


def test_a_script_on_a_node_that_vanishes_ends_with_its_time(session: SshSession, pi: Pi) -> None:
    timer = threading.Timer(0.5, lambda: pi.break_("power-off"))
    timer.start()
    with pytest.raises(NodeError):
        session.run("sleep 60", timeout=5)
    timer.join()


def test_settings_of_the_users_ssh_config_are_honoured(solo: Bench, pi: Pi, home: Path) -> None:
    config = home / ".ssh/config"
    config.parent.mkdir(mode=0o700, exist_ok=True)
    config.write_text(
        f"Host my-pi\n  HostName {pi.address}\n  User pi\n  IdentityFile {pi.lab.key}\n"
    )
    try:
        endpoint = Endpoint(pi.name, "my-pi", connect_timeout=3)
        session = connector(solo, endpoint).connect(pi.name)
        assert session.run("id -u", timeout=20).out == b"0\n"
    finally:
        config.unlink()
