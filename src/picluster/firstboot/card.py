"""Putting files onto a card's boot partition, or into a directory beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from picluster.errors import PiclusterError
from picluster.local_files import write_keeping
from picluster.steps.host.boot import with_memory_cgroup

_CMDLINE = "cmdline.txt"


def write_card(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Write files, and switch the memory cgroup on in a `cmdline.txt` that is there.

    What was there before is kept beside it. Returns a line for each thing that was done. Raises
    `PiclusterError` if the directory cannot be written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        done = [line for name, text in files.items() for line in _put(directory / name, text)]
        cmdline = directory / _CMDLINE
        if cmdline.is_file():
            done += _put(cmdline, with_memory_cgroup(cmdline.read_text()))
    except OSError as error:
        raise PiclusterError(
            "it cannot be written",
            where=str(error.filename or directory),
            why=(error.strerror or str(error)).lower(),
            fix="is the card mounted, and writable?",
        ) from None
    return done


def _put(path: Path, text: str) -> list[str]:
    if path.exists() and path.read_text(errors="replace") == text:
        return [f"{path}: as it should be"]
    kept = write_keeping(path, text)
    backup = [f"{kept}: what was in {path.name}"] if kept else []
    return [*backup, f"{path}: written"]
