"""Putting files onto a card's boot partition, or into a directory beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from picluster.errors import PiclusterError
from picluster.local_files import write_keeping
from picluster.steps.host.boot import with_memory_cgroup

_CMDLINE = "cmdline.txt"


def write_card(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Write files, and make a `cmdline.txt` that is there fit them.

    What was there before is kept beside it. Returns a line for each thing that was done. Raises
    `PiclusterError` if the directory cannot be written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        done = [line for name, text in files.items() for line in _put(directory / name, text)]
        cmdline = directory / _CMDLINE
        if cmdline.is_file():
            done += _put(cmdline, boot_line(cmdline.read_text()))
    except UnicodeDecodeError:
        raise PiclusterError(
            "it is not text",
            where=str(directory / _CMDLINE),
            fix="write the operating system's image onto the card again",
        ) from None
    except OSError as error:
        raise PiclusterError(
            "it cannot be written",
            where=str(error.filename or directory),
            why=(error.strerror or str(error)).lower(),
            fix="is the card mounted, and writable?",
        ) from None
    return done


def boot_line(cmdline: str) -> str:
    """Return the kernel's command line with the memory cgroup on, and without another instance id.

    Raspberry Pi Imager (2.x, downloadthread.cpp) appends `ds=nocloud;i=...` for settings of its
    own, which cloud-init believes before `meta-data`.
    """
    words = [word for word in cmdline.split() if not word.startswith("ds=nocloud")]
    return with_memory_cgroup(" ".join(words))


def _put(path: Path, text: str) -> list[str]:
    if path.exists() and path.read_text(errors="replace") == text:
        return [f"{path}: as it should be"]
    kept = write_keeping(path, text)
    backup = [f"{kept}: what was in {path.name}"] if kept else []
    return [*backup, f"{path}: written"]
