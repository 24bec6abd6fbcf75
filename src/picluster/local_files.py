"""Files of the user's on this computer: written whole or not at all, and never lost."""

from __future__ import annotations

import os
from pathlib import Path


def write_keeping(path: Path, text: str, mode: int = 0o666) -> Path | None:
    """Write a file atomically; return where its previous content is kept now, if it had another.

    `mode` is that of a file that is made anew, less the umask. Raises `OSError`.
    """
    kept = None
    if path.exists():
        if path.read_text(errors="replace") == text:
            return None
        kept = _free_name(path)
        kept.write_bytes(path.read_bytes())
        kept.chmod(path.stat().st_mode & 0o777)
    part = path.with_name(f"{path.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return kept


def _free_name(path: Path) -> Path:
    """Return a name for a copy that nothing has yet."""
    number, kept = 1, path.with_name(f"{path.name}.before-picluster")
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.before-picluster-{number}")
    return kept
