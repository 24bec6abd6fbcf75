"""What takes a connection and is no SSH server is said to be that, not what a library says."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from picluster.errors import Unreachable
from picluster.ssh import connector as ssh_connector
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys
from picluster.ssh.user_config import UserConfig


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100])
def test_a_port_of_something_else_is_told_as_that(
    greeting: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_connector, "_ATTEMPTS", 1)

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(greeting)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer, daemon=True).start()
        there = Endpoint("pi1", "127.0.0.1", listening.getsockname()[1], "pi")
        connector = SshConnector(
            {"pi1": there},
            HostKeys(tmp_path / "pins", users_files=()),
            config=UserConfig(ssh=None, file=tmp_path / "none"),
        )
        with pytest.raises(Unreachable) as caught:
            connector.connect("pi1")
    assert caught.value.why == "something took the connection, and did not greet as an SSH server"
