"""Files of the user's on this computer: written whole or not at all, and never lost.

Threads and other runs may write the same file at the same time: each has a temporary file of its
own beside it, under a name that cannot be guessed, and whoever is last has the say.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PRIVATE = 0o600
"""The mode of a file that only its owner can read."""

PRIVATE_DIRECTORY = 0o700
"""The mode of a directory that only its owner can enter."""

# Whatever lies under the name already, a link above all, is not written to.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def create(path: Path, mode: int = PRIVATE) -> IO[bytes]:
    """Open a file that is made just now, and has its mode (less the umask) from the first moment.

    Raises `FileExistsError` if there is anything of that name, even a link to nowhere.
    """
    return os.fdopen(os.open(path, _NEW, mode), "wb")


@contextmanager
def replacing(path: Path, mode: int = PRIVATE) -> Iterator[IO[bytes]]:
    """Lend a new file that takes the place of `path` when the block ends: whole, and on the disk.

    When the block raises, `path` stays as it was. Raises `OSError`.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    file = create(part, mode)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in a directory that only its owner can enter."""
    path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(text.encode())


def write_keeping(path: Path, text: str, mode: int = 0o666) -> Path | None:
    """Write a file atomically; return where its previous content is kept now, if it had another.

    `mode` is that of the file, less the umask, and less what the file that was there did not
    allow. Raises `OSError`.
    """
    kept = None
    if path.exists():
        mode &= path.stat().st_mode
        before = path.read_bytes()
        if before == text.encode():
            return None
        kept = _keep_copy(path, before)
    with replacing(path, mode) as file:
        file.write(text.encode())
    return kept


def _keep_copy(path: Path, content: bytes) -> Path:
    """Copy what is about to be replaced to a name that nothing has yet, with no wider a mode."""
    number, kept = 1, path.with_name(f"{path.name}.before-picluster")
    while True:
        with (
            contextlib.suppress(FileExistsError),
            create(kept, path.stat().st_mode & 0o777) as copy,
        ):
            copy.write(content)
            return kept
        number += 1
        kept = path.with_name(f"{path.name}.before-picluster-{number}")
