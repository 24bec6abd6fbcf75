"""What `picluster images save` made: a directory with one checksum file over all that is in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from picluster.errors import StepFailed
from picluster.local_files import replacing
from picluster.steps.download import parse_checksums
from picluster.steps.image_reference import read_reference

SUMS = "SHA256SUMS"
_SHA256 = re.compile("[0-9a-f]{64}")
DOCKER = "docker"
"""The directory in it whose archives Docker loads."""


@dataclass(frozen=True, slots=True)
class AirGap:
    """Such a directory, and the digests of its files, by their paths in it."""

    directory: Path
    sums: Mapping[str, str]

    def path(self, name: str) -> Path | None:
        """Return a file of it; None if it was not saved, or is gone."""
        path = self.directory / name
        return path if name in self.sums and path.is_file() else None

    def content(self, name: str) -> bytes | None:
        """Return what a file of it holds; None as `path`.

        Raises `StepFailed` if it is not what was saved.
        """
        path = self.path(name)
        content = path.read_bytes() if path else None
        if content is not None and hashlib.sha256(content).hexdigest() != self.sums[name]:
            raise StepFailed(
                f"the checksum of {name} is wrong",
                where=str(path),
                why=f"{SUMS} beside it lists another one",
                fix="run `picluster images save` for that directory again where there is a network",
            )
        return content


def for_nodes(image: str, platform: str) -> str:
    """Return where the archive of an image for nodes lies in the directory."""
    return f"images/{platform}/{read_reference(image).file}"


def for_docker(image: str) -> str:
    """Return where the archive of an image for Docker lies in the directory."""
    return f"{DOCKER}/{read_reference(image).file}"


def read_saved(directory: Path | None) -> AirGap | None:
    """Return what is known of a directory; None if it was put together by hand, or is not there."""
    sums = directory / SUMS if directory is not None else None
    if directory is None or sums is None or not sums.is_file():
        return None
    listed = parse_checksums(sums.read_text("utf-8", "replace"))
    return AirGap(directory, {name: sum_ for name, sum_ in listed.items() if _is_ours(name, sum_)})


def _is_ours(name: str, digest: str) -> bool:
    """Whether a line can be of `write_sums`: nothing outside of the directory is in it."""
    path = PurePosixPath(name)
    return bool(_SHA256.fullmatch(digest)) and not path.is_absolute() and ".." not in path.parts


def write_sums(directory: Path, sums: Mapping[str, str]) -> None:
    """Write the checksum file, as `sha256sum -c` reads it."""
    lines: Iterable[str] = (f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    with replacing(directory / SUMS, 0o666) as file:
        file.write("".join(lines).encode())
