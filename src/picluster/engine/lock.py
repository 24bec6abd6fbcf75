"""One run at a time per cluster: a lock on this computer and one on a node.

Both are `flock` locks, held by a process and not by a file that somebody must remember to delete:
they are gone the moment their holder is, however it ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from picluster.engine.lines import LineCutter
from picluster.engine.pool import Sessions
from picluster.engine.quote import quote
from picluster.errors import Locked, NodeError

_BUSY = 75
_HELD = "held"
_HELD_BY_A_RUN = "another picluster run is working on this cluster"
_MOST_SAID = 4096
_GRANT_SECONDS = 30.0
_HOLD_SECONDS = 7 * 24 * 3600.0


def describe_holder() -> str:
    """Say who is running this, for whoever finds the lock taken."""
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}, since {started}"


@dataclass(slots=True)
class WorkstationLock:
    """Keeps two runs on one computer apart: of one cluster, or whatever `held` and `where` say."""

    path: Path
    held: str = _HELD_BY_A_RUN
    where: str = "this computer"
    _file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock, or raise `Locked` naming who holds it."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # "a+" does not truncate: the holder's name has to survive a failed attempt.
        file = self.path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise _locked(self.where, holder, self.held) from None
        except OSError:
            file.close()
            raise
        file.truncate(0)
        file.write(describe_holder())
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock up; harmless if it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(slots=True)
class _Try:
    """One go at a node's lock: what its script has said so far, and how it ended."""

    answered: threading.Event = field(default_factory=threading.Event)
    """The lock is granted, or the script is over."""
    granted: bool = False
    over: bool = False
    said: bytearray = field(default_factory=bytearray)
    lines: LineCutter = field(default_factory=LineCutter)
    status: int | None = None
    lost: NodeError | None = None

    def hear(self, stream: str, data: bytes) -> None:
        """Take in a piece of what the script says."""
        if stream == "stderr":
            self.said += data[: _MOST_SAID - len(self.said)]
        elif _HELD.encode() in self.lines.feed(data):
            self.granted = True
            self.answered.set()


@dataclass(slots=True)
class NodeLock:
    """Keeps runs from different computers apart, through a script that waits on a node.

    The script ends with its connection, and the lock with the script.
    """

    sessions: Sessions
    node: str
    path: str
    _try: _Try = field(default_factory=_Try)
    _thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether the script still waits on the node."""
        return self._try.granted and not self._try.over

    def take(self) -> None:
        """Take the lock. Raises `Locked` naming who holds it, or a `NodeError` if it cannot be had.

        Only who finds it held says so: whatever else keeps a node from granting it is its own.
        """
        if self.held:
            return
        now = self._try = _Try()
        self._thread = threading.Thread(
            target=self._hold, args=(now,), name="picluster-lock", daemon=True
        )
        self._thread.start()
        now.answered.wait(_GRANT_SECONDS)
        said = now.said.decode("utf-8", "replace").strip()
        if now.status == _BUSY:
            raise _locked(self.node, said, _HELD_BY_A_RUN)
        if now.lost is not None:
            raise now.lost
        if not now.granted:
            raise NodeError(
                "the lock of the cluster cannot be taken on it",
                where=self.node,
                why=f"it said: {said}" if said else "it said nothing",
                fix="look for a full or read-only /run on it, and for what keeps it busy",
            )

    def _hold(self, now: _Try) -> None:
        path, directory = quote(self.path), quote(str(PurePosixPath(self.path).parent))
        # Whoever may open a file may hold a lock on it: nobody but root may. What the holder is
        # called goes to stderr: on stdout it could be taken for the grant.
        script = (
            f"mkdir -p -m 700 {directory} && chmod 700 {directory} || exit\n"
            f"exec 9>>{path}\n"
            f"flock -n 9 || {{ cat {path} >&2; exit {_BUSY}; }}\n"
            f"printf '%s' {quote(describe_holder())} >{path}\n"
            f"echo {_HELD}\nsleep {_HOLD_SECONDS:.0f}\n"
        )
        try:
            session = self.sessions.get(self.node)
            now.status = session.run(script, timeout=_HOLD_SECONDS, on_output=now.hear).status
        except NodeError as lost:
            now.lost = lost
        finally:
            now.over = True
            now.answered.set()


@dataclass(slots=True)
class FirstThatIsThere:
    """The lock on the first of these nodes that can be reached, whichever that is by now."""

    locks: Sequence[NodeLock]

    def take(self) -> None:
        """Take it; raises `Locked`, or the last node's `NodeError` if none is there."""
        if any(lock.held for lock in self.locks):
            return
        for lock in self.locks[:-1]:
            with contextlib.suppress(NodeError):
                lock.take()
                return
        self.locks[-1].take()


def _locked(where: str, holder: str, what: str) -> Locked:
    return Locked(
        what,
        where=where,
        why=f"held by {holder}" if holder else "",
        fix="wait for it to finish; the lock goes away with the run that holds it",
    )
