"""What several nodes print at once, line by line and each with its node's name."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from typing import TextIO

from picluster.engine.lines import LineCutter
from picluster.errors import NodeError
from picluster.secret import redact
from picluster.ui.words import failure, safe


@dataclass(slots=True)
class Printer:
    """Prints whole lines of several nodes as they come; threads share it.

    `broken` is why nothing can be printed any more. It must not be raised where a session delivers
    output: to that, it would look like a broken connection.
    """

    broken: OSError | None = None
    _started: dict[tuple[str, str], LineCutter] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Raise what keeps it from printing, such as `BrokenPipeError`."""
        if self.broken is not None:
            raise self.broken

    def hear(self, node: str, stream: str, data: bytes) -> None:
        """Print what is complete of a node's `stdout` or `stderr`, and keep the rest."""
        with self._lock:
            for line in self._started.setdefault((node, stream), LineCutter()).feed(data):
                self._print(_stream(stream), _readable(node, line))

    def _end(self, node: str) -> None:
        """Print what a node has not ended with a line end."""
        with self._lock:
            for stream in ("stdout", "stderr"):
                if rest := self._started.pop((node, stream), LineCutter()).rest():
                    self._print(_stream(stream), _readable(node, rest))

    def ended(self, node: str, status: int) -> None:
        """Tell how the script ended on a node, if that was not well."""
        self._end(node)
        if status:
            self._say(f"{node}: ended with status {status}")

    def lost(self, node: str, error: NodeError) -> None:
        """Tell why it did not end there."""
        self._end(node)
        self._say(failure(error.what, where=node, why=error.why, fix=error.fix))

    def _say(self, text: str) -> None:
        with self._lock:
            self._print(sys.stderr, safe(redact(text)))

    def _print(self, stream: TextIO, line: str) -> None:
        if self.broken is not None:
            return
        try:
            print(line, file=stream, flush=True)
        except OSError as error:
            self.broken = error


def _stream(name: str) -> TextIO:
    return sys.stdout if name == "stdout" else sys.stderr


def _readable(node: str, line: bytes) -> str:
    return f"{node}: {safe(redact(line.decode('utf-8', 'replace')))}"
