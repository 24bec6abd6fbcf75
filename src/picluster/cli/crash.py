"""Where the traceback of a bug of ours is kept: with the run that met it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from picluster.errors import PiclusterError
from picluster.local_files import PRIVATE_DIRECTORY, create
from picluster.paths import state_home


class Bug(Exception):
    """Something that nobody expected, its cause, met a run whose journal is in `directory`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(str(directory))
        self.directory = directory


@contextmanager
def beside(directory: Path) -> Iterator[None]:
    """Raise `Bug` for what nobody expected in the block, so that it is kept beside the journal."""
    try:
        yield
    except (PiclusterError, BrokenPipeError):
        raise
    except Exception as error:
        raise Bug(directory) from error


def keep(details: str, directory: Path | None = None) -> Path | None:
    """Store the text, for its owner only; return where, or None if it cannot be stored."""
    with suppress(OSError):
        place = directory or state_home() / "crashes"
        place.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        path = place / f"crash-{stamp}-{secrets.token_hex(4)}.txt"
        with create(path) as file:
            file.write(details.encode(errors="replace"))
        return path
    return None
