"""A node as an SSH server on loopback, good or hostile: real Paramiko on both ends, and no shell.

How it behaves is a function of a `Call`: one command on a channel, the script that came with it,
and what a healthy node would print.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

import paramiko

from tests.doubles.well_node import WellNode

_MARKER = re.compile(r"!= ([0-9a-f]{16}) \]")
_SIZE = re.compile(r"head -c ([0-9]+)\)")
_HOLD_SECONDS = 20.0
"""How long a node may hang at most: whoever waits for its end has failed long before."""


@cache
def host_key() -> paramiko.PKey:
    """Return the key of every node; making one costs more than a command does."""
    return paramiko.ECDSAKey.generate()


@dataclass
class Call:
    """One command, and the channel on which it came; `out` and `err` are the good answer."""

    node: SshNode
    channel: paramiko.Channel
    command: str
    script: str = ""
    out: str = ""
    err: str = ""
    sent: int = 0

    @property
    def changes(self) -> bool:
        """Whether the script is one of changes."""
        return "set -e; eval" in self.script

    @property
    def marker(self) -> str:
        """The word by which the script is found on stdin, and its output in the answer."""
        found = _MARKER.search(self.command)
        assert found is not None, self.command
        return found[1]

    def receive(self) -> None:
        """Take the script from stdin, as the wrapper on a node does, and find the good answer."""
        size = _SIZE.search(self.command)
        assert size is not None, self.command
        line, data = f"{self.marker}\n".encode(), b""
        while line not in data or len(data.partition(line)[2]) < int(size[1]):
            got = self.channel.recv(65536)
            if not got:
                raise EOFError
            data += got
        self.script = data.partition(line)[2].decode()
        self.out, self.err, _ = self.node.well.answer(self.script)

    def begin(self) -> None:
        """Say that the script begins, on both streams."""
        begins = f"\npicluster-begins-{self.marker}\n"
        self.say(begins)
        self.moan(begins)

    def say(self, text: str | bytes) -> None:
        """Print on stdout."""
        self._send(self.channel.sendall, text)

    def moan(self, text: str | bytes) -> None:
        """Print on stderr."""
        self._send(self.channel.sendall_stderr, text)

    def _send(self, send: Callable[[bytes], object], text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        send(data)
        self.sent += len(data)

    def answer(self, out: str | bytes = "", err: str = "", status: int = 0) -> None:
        """Begin, print this, and end."""
        self.begin()
        self.say(out)
        self.moan(err)
        self.end(status)

    def end(self, status: int) -> None:
        """End, with that status."""
        self.channel.send_exit_status(status)

    def hang(self) -> None:
        """Say nothing more until the other end gives up."""
        self.channel.settimeout(_HOLD_SECONDS)
        while self.channel.recv(4096):
            pass

    def drop(self) -> None:
        """Lose the connection."""
        self.channel.get_transport().close()


Behaviour: TypeAlias = Callable[[Call], None]


def well(call: Call) -> None:
    """Answer as a healthy node does; a lock is held until its holder goes."""
    if "flock" not in call.script:
        call.answer(call.out, call.err)
        return
    call.begin()
    call.say(call.out)
    call.hang()


@dataclass
class SshNode:
    """A node that listens on loopback. `deaf` never answers the request to run something.

    Whatever port is asked for through it is `api`, one on this computer's loopback, if it has one.
    """

    well: WellNode
    behaviour: Behaviour = well
    deaf: bool = False
    api: int = 0
    calls: list[Call] = field(default_factory=list)
    _listening: socket.socket = field(init=False)
    _transports: list[paramiko.Transport] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    @property
    def over(self) -> bool:
        """Whether it has gone away."""
        return self._over.is_set()

    @property
    def most(self) -> int:
        """The most that one call has printed, in bytes."""
        return max((call.sent for call in self.calls), default=0)

    def close(self) -> None:
        """Go away, with all connections."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for transport in self._transports:
            transport.close()

    def run(self, channel: paramiko.Channel, command: str) -> None:
        """Behave; whatever the other end does to the channel, that is the end of it."""
        call = Call(self, channel, command)
        self.calls.append(call)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException), channel:
            call.receive()
            self.behaviour(call)

    def lead_on(self, channel: paramiko.Channel) -> None:
        """Carry what comes on a channel to the API and back, until either ends."""
        with socket.create_connection(("127.0.0.1", self.api)) as onward, channel:
            ends: dict[Any, Any] = {onward: channel, channel: onward}
            while True:
                for end in select.select(ends, (), ())[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)

    def ignore(self) -> None:
        """Leave whoever asks without an answer, until the node goes away."""
        self._over.wait(_HOLD_SECONDS)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                transport = paramiko.Transport(connection)
                transport.add_server_key(host_key())
                self._transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(event=threading.Event(), server=_Server(self, transport))


class _Server(paramiko.ServerInterface):
    """Lets everybody in, and has the node run what is asked for."""

    def __init__(self, node: SshNode, transport: paramiko.Transport) -> None:
        self.node = node
        self.led: set[int] = set()
        if node.api:
            threading.Thread(target=self._lead_on, args=(transport,), daemon=True).start()

    def _lead_on(self, transport: paramiko.Transport) -> None:
        """Lead on what is opened on the connection and is no command, as long as that stands."""
        others = []  # Paramiko closes a channel that nobody has
        while not self.node.over:
            channel = transport.accept(0.2)
            if channel is not None and channel.chanid in self.led:
                threading.Thread(target=self.node.lead_on, args=(channel,), daemon=True).start()
            else:
                others.append(channel)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if not self.node.api:
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        self.led.add(chanid)
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if self.node.deaf:
            self.node.ignore()
        arguments = (channel, command.decode())
        threading.Thread(target=self.node.run, args=arguments, daemon=True).start()
        return True
