"""An HTTP answer ends: by a deadline however slowly it comes, and within a size."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, IncompleteRead
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from picluster import http_answers
from picluster.errors import StepFailed
from picluster.http_answers import Deadline, NotInTime, TooLarge, body_of
from picluster.kube import https
from picluster.kube.link import LinkDown, Request
from picluster.steps import download
from picluster.steps.image_reference import read_reference
from picluster.steps.images import distribution
from picluster.steps.images.distribution import Puller, PullPlace
from picluster.steps.registry import api
from picluster.steps.registry.api import RegistryApi, RegistryEndpoint

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "a status line": (b"HTTP/1.1 200 O", b"k"),
    "headers": (OK + b"X: ", b"x"),
    "one interim answer after the other": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (OK + b"Content-Length: 100000\r\n\r\n", b"x"),
    "a body without a length": (OK + b"\r\n", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "the length of a chunk": (CHUNKED, b"0"),
    "a trailer": (CHUNKED + b"0\r\n", b"X: y\r\n"),
}
"""What comes at once, and what comes again and again, each time before anybody lost patience."""


class Clock:
    """A clock that a server's bytes turn: each piece takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(http_answers, "time", made)
    return made


Drip = Callable[[bytes, bytes], int]


@pytest.fixture
def drip(clock: Clock) -> Iterator[Drip]:
    """Serve an answer that goes on until the other side goes away; return the port."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(first: bytes, then: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer(peer: socket.socket) -> None:
            with peer:
                try:
                    peer.recv(65536)
                    peer.sendall(first)
                    for piece in repeat(then) if then else ():
                        peer.sendall(piece)
                        clock.now += 1
                except OSError:
                    return

        def run() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                answer(peer)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "somebody still listens to it"


@pytest.fixture(params=DRIPS.values(), ids=DRIPS)
def dripping(request: pytest.FixtureRequest, drip: Drip) -> int:
    return drip(*request.param)


class PlainOverTcp(https.Https):
    """Without TLS, of which the deadline knows nothing."""

    def _connection(self) -> https._Connection:
        made = super()._connection()
        made.sock = socket.create_connection(("127.0.0.1", self._where[1]))
        return made


def test_a_dripping_api_server_is_given_up_after_four_times_its_timeout(dripping: int) -> None:
    server = PlainOverTcp("127.0.0.1", dripping, ssl.create_default_context())
    with pytest.raises(LinkDown, match=r"^its answer was not whole after 80 s$"):
        server.send(Request("GET", "/", timeout=20.0))


def test_a_dripping_registry_of_the_cluster_is_given_up(dripping: int) -> None:
    registry = RegistryApi(RegistryEndpoint("pi1", dripping), dripping)
    with pytest.raises(StepFailed, match="the registry does not answer") as caught:
        registry.repositories()
    assert caught.value.why == f"its answer was not whole after {api._LONGEST_SECONDS:g} s"


def test_a_dripping_registry_of_images_is_given_up(dripping: int) -> None:
    place = Puller(PullPlace(f"http://127.0.0.1:{dripping}"))
    with pytest.raises(StepFailed, match="cannot fetch docker") as caught:
        place.manifest(read_reference("registry:2"), "arm64")
    assert f"not whole after {distribution._TEXT_SECONDS:g} s" in caught.value.why


def test_a_dripping_download_is_given_up_and_nothing_is_kept(dripping: int, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="not whole after 3600 s"):
        download.download(
            f"http://127.0.0.1:{dripping}/k3s",
            tmp_path / "k3s",
            lambda _: None,
            sha256="0" * 64,
        )
    assert list(tmp_path.iterdir()) == []


def test_redirections_share_one_deadline(drip: Drip, clock: Clock, tmp_path: Path) -> None:
    port = drip(OK + b"Content-Length: 100000\r\n\r\n", b"x")
    away = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/k3s\r\nX: ".encode()
    with pytest.raises(StepFailed, match="not whole after 3600 s"):
        download.download(
            f"http://127.0.0.1:{drip(away, b'x')}/k3s",
            tmp_path / "k3s",
            lambda _: None,
        )


def test_the_page_of_a_redirection_is_not_read(drip: Drip, clock: Clock, tmp_path: Path) -> None:
    """It may have no end: urllib would read it into memory before it goes on."""
    there = drip(OK + b"Content-Length: 3\r\nConnection: close\r\n\r\nk3s", b"")
    away = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{there}/k3s\r\n\r\n".encode()
    port = drip(away, b"x" * (1 << 20))
    download.download(f"http://127.0.0.1:{port}/k3s", tmp_path / "k3s", lambda _: None)
    assert (tmp_path / "k3s").read_bytes() == b"k3s"


# ------------------------------------------------------------------ in detail


@pytest.fixture
def answered() -> Iterator[Callable[[bytes], Any]]:
    """Return the answer of a server that says these bytes."""
    ends: list[socket.socket] = []

    def ask(said: bytes, within: Deadline | None = None, timeout: float = 5.0) -> Any:
        ours, theirs = socket.socketpair()
        ends.extend((ours, theirs))
        connection = (within or Deadline.after(60)).connection(HTTPConnection, "there")
        connection.sock = ours
        ours.settimeout(timeout)
        connection.request("GET", "/")
        theirs.sendall(said)
        return connection.getresponse()

    yield ask
    for end in ends:
        end.close()


def test_a_body_may_have_exactly_the_size(answered: Any) -> None:
    said = OK + b"Content-Length: 5\r\n\r\nwhole"
    assert body_of(answered(said), 5) == b"whole"
    with pytest.raises(TooLarge, match="larger than 0 MiB"):
        body_of(answered(said), 4)
    assert body_of(answered(CHUNKED + b"5\r\nwhole\r\n0\r\n\r\n"), 5) == b"whole"
    with pytest.raises(TooLarge):
        body_of(answered(CHUNKED + b"5\r\nwhole\r\n"), 4)


def test_a_body_that_is_cut_short_is_none(answered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    response = answered(OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nwho")
    monkeypatch.setattr(response.fp.raw, "readinto", lambda buffer: 0)
    with pytest.raises(IncompleteRead):
        body_of(response, 5)


def test_silence_before_the_deadline_is_silence(answered: Any) -> None:
    with pytest.raises(TimeoutError) as caught:
        answered(b"HTTP/1.1 ", timeout=0.01)
    assert not isinstance(caught.value, NotInTime)


def test_silence_up_to_the_deadline_is_too_late(answered: Any) -> None:
    with pytest.raises(NotInTime, match=r"not whole after 0\.05 s"):
        answered(b"HTTP/1.1 ", Deadline.after(0.05))
