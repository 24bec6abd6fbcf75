"""What is on this computer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place, Tools
from picluster.errors import ActionFailed
from picluster.local_files import write_private
from picluster.secret import Secret


@dataclass(frozen=True, slots=True)
class FileHere:
    """Whether a file is on this computer."""

    name: str
    path: Path
    secret: bool = False

    def ask(self, tools: Tools) -> bool:
        return self.path.is_file()


@dataclass(frozen=True, slots=True)
class TextHere:
    """The text of a file on this computer; empty if there is no such file."""

    name: str
    path: Path
    secret: bool = False

    def ask(self, tools: Tools) -> str:
        """Read it. Raises `ActionFailed`, which quotes nothing, where that cannot be done."""
        try:
            return self.path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise ActionFailed(
                "the file cannot be read",
                where=str(self.path),
                why=error.strerror or "" if isinstance(error, OSError) else "it is not UTF-8 text",
                fix="repair it, or move it away",
            ) from None


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
