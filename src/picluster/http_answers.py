"""HTTP answers that end: in time, however slowly they come, and within a size.

The timeout of a socket begins anew with every byte, and http.client reads lines, interim answers
and trailers for as long as they come: a server that drips would be listened to for ever.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import Any, TypeVar

_BLOCK = 1 << 16

Connection = TypeVar("Connection", bound=HTTPConnection)


class NotInTime(TimeoutError):
    """An answer was still coming when its time was up."""


class TooLarge(HTTPException):
    """An answer is larger than anything that there is to say."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When answers have to be whole: `seconds` after it was set. Several may share one."""

    seconds: float
    ends: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Set one that begins now."""
        return cls(seconds, time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """How many seconds are left. Raises `NotInTime` when none is."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise NotInTime(f"its answer was not whole after {self.seconds:g} s")
        return left

    def answer(self, sock: socket.socket, *given: Any, **named: Any) -> HTTPResponse:
        """Make what reads an answer in time; it is a connection's `response_class`."""
        response = HTTPResponse(sock, *given, **named)
        response.fp = io.BufferedReader(_InTime(response.fp.detach(), sock, self))
        return response

    def connection(self, kind: Callable[..., Connection], *given: Any, **named: Any) -> Connection:
        """Make a connection whose answers are whole in time."""
        made = kind(*given, **named)
        made.response_class = self.answer  # type: ignore[assignment]  # it is only called
        return made


class _InTime(io.RawIOBase):
    """What a socket brings, up to a deadline; its own timeout still counts between two pieces."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._silence = sock.gettimeout()

    def readable(self) -> bool:
        """It is read, and nothing else."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read once. Raises `NotInTime`, `OSError`."""
        left = self._deadline.left
        self._sock.settimeout(left if self._silence is None else min(left, self._silence))
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            _ = self._deadline.left
            raise

    def close(self) -> None:
        """Close it; the socket is the connection's."""
        self._raw.close()
        super().close()


def too_large(most: int) -> TooLarge:
    """Say it of one that has more than so many bytes."""
    return TooLarge(f"its answer is larger than {most >> 20} MiB")


def body_of(response: HTTPResponse, most: int) -> bytes:
    """Read the whole body of an answer, and close it.

    It is read in pieces: many small chunks take no more memory than a large one.

    Raises `TooLarge`, `IncompleteRead`, and what a broken connection does.
    """
    body = bytearray()
    with response:
        while block := response.read1(_BLOCK):
            body += block
            if len(body) > most:
                raise too_large(most)
        if response.length:
            raise IncompleteRead(bytes(body), response.length)
    return bytes(body)
