"""The files that an image is built from: their digest, and an archive of them.

What `.dockerignore` leaves out counts for neither; the docker package knows its rules.
"""

from __future__ import annotations

import hashlib
import json
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import UsageError

_IGNORE = ".dockerignore"


@dataclass(frozen=True, slots=True)
class Context:
    """A directory on this computer, and the Dockerfile in it."""

    directory: Path
    dockerfile: str

    def text(self) -> str:
        """Return the Dockerfile. Raises `UsageError` if there is none to read."""
        path = self.directory / self.dockerfile
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                "the Dockerfile cannot be read",
                where=str(path),
                why=getattr(error, "strerror", None) or str(error),
                fix="correct images.build.context or images.build.dockerfile in the cluster file",
            ) from None

    def paths(self) -> list[str]:
        """Return everything that belongs to the context, relative to it and sorted."""
        from docker.utils.build import exclude_paths  # noqa: PLC0415 - slow to import

        ignore = self.directory / _IGNORE
        patterns = ignore.read_text("utf-8", "replace").splitlines() if ignore.is_file() else []
        wanted = [line.strip() for line in patterns if line.strip() and not line.startswith("#")]
        found = exclude_paths(str(self.directory), wanted, dockerfile=self.dockerfile)
        # The rules have been applied: the file that they are in is of no more use.
        # Nor is what is never sent: to open a pipe would wait for who writes to it.
        return sorted(
            path for path in found if path and path != _IGNORE and _sent(self.directory / path)
        )

    def digest(self) -> str:
        """Identify the content: names, texts, links and whether files can be run; no times."""
        parts = [self._described(path) for path in self.paths()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def archive(self, target: Path) -> None:
        """Write an archive that is the same whenever the content is."""
        with tarfile.open(target, "w:gz", compresslevel=1) as tar:
            for path in self.paths():
                tar.add(self.directory / path, path, recursive=False, filter=_plain)

    def _described(self, path: str) -> list[str]:
        full = self.directory / path
        mode = full.lstat().st_mode
        if stat.S_ISLNK(mode):
            return [path, "link", str(full.readlink())]
        if stat.S_ISDIR(mode):
            return [path, "directory"]
        with full.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return [path, "program" if mode & stat.S_IXUSR else "file", content]


def _sent(path: Path) -> bool:
    """Whether it is a file, a directory or a link; sockets, pipes and devices are left out."""
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who owns a file and when it was written."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & stat.S_IXUSR else 0o644
    return entry
