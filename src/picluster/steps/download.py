"""Files from the internet, on this computer: whole and verified, or not there at all."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from picluster.errors import StepFailed
from picluster.local_files import replacing

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 60.0

Report = Callable[[str], None]


def download(
    url: str, path: Path, report: Report, *, sha256: str | None = None, fix: str = ""
) -> None:
    """Fetch a file and move it into place once it is whole, and has the digest if one is given.

    Raises `StepFailed`, with this `fix`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    request = urllib.request.Request(url, headers={"User-Agent": "picluster"})  # noqa: S310 - the model admits only http(s)
    try:
        with (
            urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer,  # noqa: S310
            replacing(path, 0o666) as file,
        ):
            digest = hashlib.sha256()
            while block := answer.read(_CHUNK):
                digest.update(block)
                file.write(block)
            if sha256 is not None and digest.hexdigest() != sha256:
                what = "the download's checksum is wrong; it was thrown away"
                raise StepFailed(what, where=url, fix=fix)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise StepFailed(f"cannot download it: {error}", where=url, fix=fix) from error
    report(f"downloaded {path.name}")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
