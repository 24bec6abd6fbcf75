"""How often a far node is waited for: round trips of the wire, counted by a relay in between."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from tests.doubles.relay import relayed
from tests.doubles.ssh_node import SshNode

from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys, accept_new
from picluster.ssh.user_config import UserConfig

DELAY = 0.03


class Well:
    """Prints a little, whatever the script."""

    def answer(self, script: str) -> tuple[str, str, int]:
        return "out\n", "", 0


@pytest.fixture
def node() -> Iterator[SshNode]:
    node = SshNode(Well())  # type: ignore[arg-type]
    yield node
    node.close()


def connector(tmp_path: Path, port: int) -> SshConnector:
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    endpoint = Endpoint("pi1", "127.0.0.1", port, "pi", key)
    pins = HostKeys(tmp_path / "known_hosts", accept_new)
    return SshConnector({"pi1": endpoint}, pins, config=UserConfig(ssh=None, file=tmp_path / "no"))


def test_a_script_is_three_round_trips_beyond_the_login(tmp_path: Path, node: SshNode) -> None:
    """Opening the channel, asking for the shell, sending the script: its answer ends the third."""
    with relayed(("127.0.0.1", node.port), DELAY) as (port, relay):
        session = connector(tmp_path, port).connect("pi1")
        login = relay.round_trips
        done = session.run("true", timeout=20)
        script = relay.round_trips - login
        session.close()
    assert done.out == b"out\n"
    assert script <= 3, f"login: {login}, script: {script}"
    assert login > script, "the relay missed the login"


def test_words_on_the_way_are_one_round_trip_and_an_answer_ends_it() -> None:
    far = socket.create_server(("127.0.0.1", 0))
    with far, relayed(far.getsockname(), DELAY) as (port, relay):
        near = socket.create_connection(("127.0.0.1", port), timeout=20)
        node, _ = far.accept()
        for words in (b"one", b"two"):
            near.sendall(words)
            assert node.recv(3) == words
        assert relay.round_trips == 0, "nothing was answered"
        for answer in (b"yes", b"and"):
            node.sendall(answer)
            assert near.recv(3) == answer
        assert relay.round_trips == 1, "two words, two answers, and nobody waited twice"
        near.sendall(b"six")
        assert node.recv(3) == b"six"
        node.sendall(b"end")
        assert near.recv(3) == b"end"
        assert relay.round_trips == 2
        near.close()
        node.close()
