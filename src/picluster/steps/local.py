"""What is on this computer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Tools


@dataclass(frozen=True, slots=True)
class FileHere:
    """Whether a file is on this computer."""

    name: str
    path: Path
    secret: bool = False

    def ask(self, tools: Tools) -> bool:
        """Look for it."""
        return self.path.is_file()
