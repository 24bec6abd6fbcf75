"""Files for many nodes: this computer sends each once, and a node hands it on while it arrives.

The wire of this computer is the narrow one, and N copies take N times as long on it. Whoever asks
second takes the file from the first, the third from the second: a chain, in which all receive at
the speed of the first. It is for what is no secret: it goes in plain text, to one caller with a
token that is good once, and takes its place only with the digest that this computer knows. What
fails there, such as at a firewall, is sent by this computer as if there were no chain.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from picluster.engine.place import Place
from picluster.engine.script import part_of, receiving_script
from picluster.engine.session import Session
from picluster.engine.shell import shell
from picluster.errors import ActionFailed, PiclusterError
from picluster.steps.sizes import size_text

WORTH = 8 << 20
"""From how many bytes on the two scripts more are worth it."""

_OWNER = "root:root"
_UPLOAD_SECONDS = 1800.0
_BEGINS_SECONDS = 30.0
_LEAST_SPEED = 256_000
"""In bytes a second: a node that drips keeps another no longer than that."""
_SENT_OTHERWISE = "this computer sends it; let nodes reach each other's high ports"
_PORT = re.compile(rb"port=(\d{4,5})\n")


@dataclass(frozen=True, slots=True)
class Copy:
    """A node that has a file, or is getting it: at `path`, and later perhaps at `moved`."""

    node: str
    path: str
    moved: str = ""


@dataclass(slots=True)
class Spreading:
    """A tool: which nodes can hand on which file, by its digest. Threads share it.

    `addresses` are those at which nodes reach each other. After the first failure of a run nobody
    hands on anything any more.
    """

    addresses: Mapping[str, str]
    _free: dict[str, list[Copy]] = field(default_factory=dict)
    _works: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def giver(self, sha256: str, taker: Copy) -> Iterator[Copy | None]:
        """Lend the node that the taker gets the file from, which gives to nobody else meanwhile.

        None is this computer. The taker can be asked by others at once, and no more if it fails.
        """
        with self._lock:
            free = self._free.setdefault(sha256, [])
            giver = free.pop() if free and self._works else None
            free.append(taker)
        try:
            yield giver
        except BaseException:
            with self._lock:
                free[:] = [each for each in free if each != taker]
            raise
        with self._lock:
            free[:0] = [giver] if giver else []

    def stop(self) -> None:
        """Have everything sent by this computer from now on."""
        self._works = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Put a file that is no secret on a node, from this computer or from a node that has it.

    `moved` is where later steps may move it to.
    """

    source: Path
    path: str
    sha256: str
    mode: int = 0o644
    moved: str = ""

    @property
    def title(self) -> str:
        return f"sending {self.source.name} to {self.path}"

    def perform(self, place: Place) -> None:
        """Do it. Raises `ActionFailed`, `Unreachable`."""
        spreading = place.tools.get(Spreading)
        if self.source.stat().st_size < WORTH:
            self._upload(place)
            return
        taker = Copy(place.target, self.path, self.moved)
        with spreading.giver(self.sha256, taker) as giver:
            if giver is None or not self._is_taken(place, giver, spreading):
                self._upload(place)

    def _upload(self, place: Place) -> None:
        size = size_text(self.source.stat().st_size)
        place.progress.report(f"uploading {self.source.name}, {size}")
        place.sessions.get(place.target).upload(
            self.source,
            self.path,
            sha256=self.sha256,
            mode=self.mode,
            owner=_OWNER,
            timeout=_UPLOAD_SECONDS,
        )

    def _is_taken(self, place: Place, giver: Copy, spreading: Spreading) -> bool:
        """Have the giver hand it on; say so if it cannot."""
        place.progress.report(f"taking {self.source.name} from {giver.node}")
        try:
            self._take(place, giver, spreading.addresses)
        except PiclusterError as error:
            spreading.stop()
            place.progress.report(
                f"{giver.node} cannot hand {self.source.name} on ({error.why or error.what}): "
                "this computer sends it"
            )
            return False
        return True

    def _take(self, place: Place, giver: Copy, addresses: Mapping[str, str]) -> None:
        size, token = self.source.stat().st_size, secrets.token_hex(16)
        timeout = _BEGINS_SECONDS + size / _LEAST_SPEED
        give = give_script(giver, addresses[place.target], token, size, self.sha256)
        giving = _Giving(place.sessions.get(giver.node), give, timeout)
        take = take_script(addresses[giver.node], giving.port(), token, size)
        script = receiving_script(take, self.path, self.sha256, self.mode, _OWNER)
        done = place.sessions.get(place.target).run(script, timeout=timeout)
        if done.status:
            raise ActionFailed(
                "it did not arrive", where=place.target, why=done.last_words, fix=_SENT_OTHERWISE
            )


def give_script(giver: Copy, peer: str, token: str, size: int, sha256: str) -> str:
    """Return what hands a file on to a node at the address `peer`, once, and prints its port."""
    whole = tuple(path for path in (giver.path, giver.moved) if path)
    part = part_of(giver.path, sha256)
    return shell(__package__, "give", PEER=peer, TOKEN=token, SIZE=size, PART=part, WHOLE=whole)


def take_script(address: str, port: int, token: str, size: int) -> str:
    """Return what prints the file that a node hands on."""
    return shell(__package__, "take", ADDRESS=address, PORT=port, TOKEN=token, SIZE=size)


class _Giving:
    """The giver's side, in a thread of its own; nobody waits for its end, which comes by itself."""

    def __init__(self, session: Session, script: str, timeout: float) -> None:
        self._heard = b""
        self._why = "it does not answer"
        self._told = threading.Event()
        giving = (session, script, timeout)
        threading.Thread(target=self._give, args=giving, name="giving", daemon=True).start()

    def _give(self, session: Session, script: str, timeout: float) -> None:
        try:
            self._why = session.run(script, timeout=timeout, on_output=self._hear).last_words
        except PiclusterError as error:
            self._why = error.what
        self._told.set()

    def _hear(self, stream: str, data: bytes) -> None:
        if stream == "stdout" and not self._told.is_set():
            self._heard += data
            if b"\n" in data:
                self._told.set()

    def port(self) -> int:
        """Wait until it listens, and return the port. Raises `ActionFailed`."""
        self._told.wait(_BEGINS_SECONDS)
        found = _PORT.match(self._heard)
        if found is None:
            raise ActionFailed("the file is not handed on", why=self._why, fix=_SENT_OTHERWISE)
        return int(found[1])
