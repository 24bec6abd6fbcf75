"""What is on this computer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place, Tools
from picluster.local_files import write_private
from picluster.secret import Secret


@dataclass(frozen=True, slots=True)
class FileHere:
    """Whether a file is on this computer."""

    name: str
    path: Path
    secret: bool = False

    def ask(self, tools: Tools) -> bool:
        """Look for it."""
        return self.path.is_file()


@dataclass(frozen=True, slots=True)
class KeepHere:
    """Keep a private text on this computer, before any node gets it.

    A run that is cut off in between then does not make up another one. Nodes that are worked on in
    parallel may all do it.
    """

    path: Path
    text: Secret
    title: str

    def perform(self, place: Place) -> None:
        """Write it, unless it is there. Raises `OSError`."""
        if not self.path.exists() or self.path.read_text() != self.text.reveal():
            write_private(self.path, self.text.reveal())
