"""A test double for the network: whoever connects is answered with what the fuzzer made up."""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

NEXT = b"\n--- next connection ---\n"
"""Between what the first connection is answered, and the second."""


class Said:
    """A socket that says these bytes, and takes whatever it is told."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._data))

    def gettimeout(self) -> float:
        return 1.0

    def take(self, *_: Any, **__: Any) -> None:
        """Do nothing, as for every way to be told something."""

    settimeout = setsockopt = sendall = close = take


@contextmanager
def answering(data: bytes) -> Iterator[None]:
    """Answer every connection that is made, with or without TLS; the last one's answer stays."""
    answers = data.split(NEXT)

    def connect(*_: Any, **__: Any) -> Said:
        return Said(answers.pop(0) if len(answers) > 1 else answers[0])

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(socket, "create_connection", connect))
        stack.enter_context(
            mock.patch.object(ssl.SSLContext, "wrap_socket", lambda _, sock, **__: sock)
        )
        yield
