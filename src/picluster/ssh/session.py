"""One node's connection: scripts, uploads and ports over the channels of one SSH transport."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picluster.causes.cause import explain
from picluster.causes.sudo import ASKS, SUDO, WRONG_PASSWORD
from picluster.engine.script import receiving_script
from picluster.engine.session import Completed, Exchange, OnOutput, Traffic
from picluster.errors import (
    ActionFailed,
    NodeError,
    OutOfTime,
    SudoUnavailable,
    TooMuchOutput,
    Unreachable,
)
from picluster.secret import redact
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.forward import LocalForward
from picluster.ssh.remote_shell import (
    GRACE_SECONDS,
    KILL,
    Invocation,
    fed_invocation,
    invocation,
    read_cost,
)

if TYPE_CHECKING:
    import paramiko

_OPEN_SECONDS = 30.0
_CLOSE_SECONDS = 5.0
_WAIT_SECONDS = 0.5
# Channel.sendall copies what is left after every window, which is quadratic in the size.
_SLICE = 128 * 1024
_RECEIVE = 64 * 1024
_LAST_WORDS, _LOOKED_AT = 300, 20_000
_ROOT = "root"

MOST_OUTPUT = 32 * 1024 * 1024
"""How many bytes a script may print on each of its streams; files travel in blocks below it."""


@dataclass(slots=True)
class SshSession:
    """An authenticated connection to a node, as root. Implements `engine.session.Session`."""

    endpoint: Endpoint
    user: str
    transport: paramiko.Transport
    connection: Any
    traffic: Traffic
    _forwards: list[LocalForward] = field(default_factory=list)
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def node(self) -> str:
        """The node's name in the cluster file."""
        return self.endpoint.node

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        """Run a script as root; see `Session.run`."""

        def once() -> Completed:
            call = self._call(script)
            return _Conversation(self, call, timeout, on_output).run([call.opening])

        done = self._as_root(once)
        self.traffic.add(scripts=1)
        return done

    def _as_root(self, once: Callable[[], Completed]) -> Completed:
        """Run something; once more with the login's password if that may let it begin.

        A key that was let in needs none, and Raspberry Pi OS asks at sudo all the same. What sudo
        says of that depends on its version and its language; what counts is that nothing began.
        """
        endpoint = self.endpoint
        try:
            return once()
        except _NotBegun as refused:
            untold = endpoint.sudo_password is None and endpoint.password is not None
            if not untold or endpoint.password is None or self.user == _ROOT or not refused.status:
                raise self._explained(refused) from None
        self.endpoint = replace(endpoint, sudo_password=endpoint.password())
        try:
            return once()
        except _NotBegun as refused:
            raise self._explained(refused) from None

    def _explained(self, refused: _NotBegun) -> NodeError:
        where, said = str(self.endpoint), refused.said
        if refused.status == 0 or self.user == _ROOT:
            return Unreachable(
                "it ran something else than the script that it was given",
                where=where,
                why=f"its login shell printed: {said or 'nothing'}",
                fix=f"let the shell of {self.user} run commands: look at ForceCommand in "
                "`sshd -T`, at `command=` in authorized_keys and at the shell's own start-up files",
            )
        told = self.endpoint.sudo_password is not None
        return no_rights(
            said or f"nothing, and ended with status {refused.status}", self.user, where, told=told
        )

    def upload(
        self, source: Path, path: str, *, sha256: str, mode: int, owner: str, timeout: float
    ) -> None:
        """Stream a file into place; see `Session.upload`."""
        size = source.stat().st_size
        script = receiving_script(f"head -c {size} <&4", path, sha256, mode, owner)

        def once() -> Completed:
            call = self._call(script, fed=True)
            with source.open("rb") as file:
                slices = iter(lambda: file.read(_SLICE), b"")
                parts = itertools.chain([call.opening], slices)
                return _Conversation(self, call, timeout, None, kind="upload").run(parts)

        done = self._as_root(once)
        self.traffic.add(uploads=1)
        if done.status != 0:
            raise _upload_failure(self.node, source, path, done)

    def forward(self, host: str, port: int) -> LocalForward:
        """Open a local port that reaches `host:port` from the node."""
        with self._lock:
            if self._closed:
                raise Unreachable(
                    "the connection was closed",
                    where=str(self.endpoint),
                    fix="run the same command again",
                )
            forward = LocalForward(self.transport, host, port)
            self._forwards.append(forward)
        self.traffic.add(forwards=1)
        return forward

    def close(self) -> None:
        """Close the connection and everything that uses it."""
        with self._lock:
            self._closed = True
            forwards, self._forwards = self._forwards, []
        for forward in forwards:
            forward.close()
        # Paramiko waits for its thread without a limit; a node that is just going down has hung it.
        closing = threading.Thread(target=self._close_connection, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _close_connection(self) -> None:
        with contextlib.suppress(Exception):
            self.connection.close()

    def _call(self, script: str, *, fed: bool = False) -> Invocation:
        secret = self.endpoint.sudo_password
        password = secret.reveal() if secret else None
        prepare = fed_invocation if fed else invocation
        return prepare(script, user=self.user, password=password)


class _NotBegun(Exception):
    """A command ended before the script in it began: not one line of that was run.

    `said` is the end of what there was to hear instead.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.said = said


def no_rights(said: str, user: str, where: str, *, told: bool) -> SudoUnavailable:
    """Return why sudo did not begin anything; `told` says whether it was given a password.

    That it did not is a fact; its words, where they are known, say why.
    """
    cause = explain(said, SUDO) or (WRONG_PASSWORD if told else ASKS)
    why, fix = (text.replace("USER", user) for text in (cause.why, cause.fix))
    return SudoUnavailable(why, where=where, why=f"it said: {said}", fix=fix)


class _Heard:
    """What one stream said: before the script began the login shell's, then the script's alone."""

    def __init__(self, begins: bytes, cost: bytes) -> None:
        self.begins = begins
        self.cost = cost
        self.begun = False
        self.told = 0
        self.data = bytearray()

    def hear(self, data: bytes) -> bytes:
        """Add what has arrived; return what of it is the script's."""
        searched = max(0, len(self.data) - len(self.begins))
        self.data += data
        if not self.begun:
            at = self.data.find(self.begins, searched)
            if at < 0:
                return b""
            self.begun = True
            del self.data[: at + len(self.begins)]
        before, self.told = self.told, self._end_of_words()
        return bytes(self.data[before : self.told])

    def _end_of_words(self) -> int:
        """Return up to where it is the script's for sure; what was added after it is not."""
        at = self.data.find(self.cost, self.told)
        if at >= 0:
            return at
        # A marker that has come in part begins in what is left.
        at = max(self.told, len(self.data) - len(self.cost) + 1)
        while (at := self.data.find(self.cost[:1], at)) >= 0:
            if self.cost.startswith(self.data[at:]):
                return at
            at += 1
        return len(self.data)


class _Conversation:
    """One command on a channel of its own: feed it, read it, know how it ended."""

    def __init__(
        self,
        session: SshSession,
        call: Invocation,
        timeout: float,
        on_output: OnOutput | None,
        kind: str = "script",
    ) -> None:
        self.session = session
        self.command = call.command
        self.cost = call.cost
        self.exchange = Exchange(session.node, kind, session.traffic)
        self.deadline = time.monotonic() + timeout
        self.timeout = timeout
        self.on_output = on_output
        self.heard = {stream: _Heard(call.begins, call.cost) for stream in ("stdout", "stderr")}

    def run(self, parts: Iterable[bytes]) -> Completed:
        import paramiko  # noqa: PLC0415 - loaded long before, by the connection

        try:
            channel = self.session.transport.open_session(timeout=self._open_seconds())
            with contextlib.closing(channel):
                channel.settimeout(self._open_seconds())
                self._request(channel)
                self._feed(channel, parts)
                status = self._read(channel)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._refuse_if_late("it did not even begin to run the command")
            raise Unreachable(
                "the connection was lost",
                where=str(self.session.endpoint),
                why=str(error) or type(error).__name__,
                fix="run the same command again; it goes on where this one stopped",
            ) from error
        return self._completed(status)

    def _open_seconds(self) -> float:
        return max(0.0, min(_OPEN_SECONDS, self.deadline - time.monotonic()))

    def _request(self, channel: paramiko.Channel) -> None:
        """Ask for the command to be run; Paramiko would wait for the answer for ever."""
        waiting = threading.Timer(self._open_seconds(), channel.close)
        waiting.daemon = True
        waiting.start()
        try:
            channel.exec_command(self.command)
        finally:
            waiting.cancel()

    def _completed(self, status: int) -> Completed:
        out, err = self.heard["stdout"], self.heard["stderr"]
        printed, cost = read_cost(bytes(out.data), self.cost)
        self.exchange.over(len(printed) + len(err.data), cost)
        if not out.begun:
            # Nothing of it is an answer, and all of it may say why: a shell that lets nobody in.
            raise _NotBegun(status, self._last_words())
        return Completed(status, printed, bytes(err.data))

    def _feed(self, channel: paramiko.Channel, parts: Iterable[bytes]) -> None:
        for part in parts:
            for start in range(0, len(part), _SLICE):
                piece = part[start : start + _SLICE]
                while piece:
                    self._drain(channel)
                    if channel.closed or channel.exit_status_ready():
                        return
                    try:
                        sent = channel.send(piece)
                    except socket.timeout:  # noqa: UP041 - what paramiko raises
                        self._check_deadline(channel)
                        continue
                    except OSError:
                        # It ended meanwhile, and wants no more: what it said last is the answer.
                        return
                    self.exchange.sent(sent)
                    piece = piece[sent:]

    def _read(self, channel: paramiko.Channel) -> int:
        while True:
            # Asked for before the streams are emptied: what was sent before the end is kept.
            over = channel.closed or (channel.exit_status_ready() and channel.eof_received)
            if self._drain(channel):
                continue
            if over:
                return _status_of(channel)
            self._check_deadline(channel)
            if channel.eof_received:
                channel.status_event.wait(_WAIT_SECONDS)
            else:
                select.select([channel], [], [], _WAIT_SECONDS)

    def _drain(self, channel: paramiko.Channel) -> bool:
        """Read what both streams have; leaving one full would stop the other."""
        got = False
        while channel.recv_ready():
            got |= self._hear(channel, "stdout", channel.recv(_RECEIVE))
        while channel.recv_stderr_ready():
            got |= self._hear(channel, "stderr", channel.recv_stderr(_RECEIVE))
        return got

    def _hear(self, channel: paramiko.Channel, stream: str, data: bytes) -> bool:
        heard = self.heard[stream]
        told = heard.hear(data)
        if told and self.on_output is not None:
            self.on_output(stream, told)
        if len(heard.data) > MOST_OUTPUT:
            self._stop(channel)
            raise TooMuchOutput(
                f"a script printed more than {MOST_OUTPUT // 1024 // 1024} MiB, and is being ended",
                where=str(self.session.endpoint),
                why=f"its last output was: {self._last_words() or 'nothing'}",
                fix="something on the node prints without end: a tool that was replaced, a file or "
                "a log that grew without limit; what it printed last says which",
            )
        # A node that never stops printing never gets to where the clock is looked at otherwise.
        self._check_deadline(channel)
        return bool(data)

    def _stop(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError):
            channel.send(KILL)

    def _last_words(self) -> str:
        heard = (self.heard["stderr"].data or self.heard["stdout"].data)[-_LOOKED_AT:]
        # A secret that is cut in two is known no more.
        return redact(bytes(heard).decode("utf-8", "replace"))[-_LAST_WORDS:].strip()

    def _check_deadline(self, channel: paramiko.Channel) -> None:
        if time.monotonic() >= self.deadline:
            self._stop(channel)
            self._refuse_if_late(
                f"no end after {self.timeout:.0f} s; what ran there is being ended "
                f"(killed after another {GRACE_SECONDS} s)"
            )

    def _refuse_if_late(self, what: str) -> None:
        if time.monotonic() < self.deadline:
            return
        raise OutOfTime(
            what,
            where=str(self.session.endpoint),
            why=f"its last output was: {self._last_words() or 'nothing'}",
            fix="raise limits.command if the node is merely slow",
        )


def _status_of(channel: paramiko.Channel) -> int:
    """Return the exit status; paramiko's -1 stands for a channel that ended without one."""
    status = int(channel.recv_exit_status())
    if status < 0:
        raise EOFError("the node closed the connection")
    return status


def _upload_failure(node: str, source: Path, path: str, done: Completed) -> ActionFailed:
    said = done.errors
    return ActionFailed(
        f"cannot store {source.name} as {path}",
        where=node,
        why=done.last_words,
        fix="make room on the node" if "No space" in said else "see the node's own message",
        evidence=said,
    )
