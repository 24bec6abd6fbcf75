"""Images that come as files: what an archive of `docker save` holds. Reads no more than it must."""

from __future__ import annotations

import json
import lzma
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import UsageError

_NONSENSE = (TypeError, EOFError, zlib.error, lzma.LZMAError, RecursionError)
"""What else reading somebody's archive, and the JSON in it, can end in."""
_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz")


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """An archive and the references of the images in it, such as `tak/map:1.0`."""

    path: Path
    references: tuple[str, ...]


def archives_in(directory: Path | None) -> tuple[ImageArchive, ...]:
    """Return the archives of a directory. Raises `UsageError` for one that is none."""
    if directory is None:
        return ()
    if not directory.is_dir():
        raise UsageError(
            "there is no directory of image archives there",
            where=str(directory),
            fix="correct images.archive in the cluster file",
        )
    paths = sorted(path for path in directory.iterdir() if path.name.endswith(_SUFFIXES))
    return tuple(ImageArchive(path, _references(path)) for path in paths)


def _references(path: Path) -> tuple[str, ...]:
    try:
        with tarfile.open(path) as tar:
            manifest = tar.extractfile("manifest.json")
            entries = json.load(manifest) if manifest else []
        return tuple(tag for entry in entries for tag in entry.get("RepoTags") or ())
    except (OSError, tarfile.TarError, KeyError, ValueError, AttributeError, *_NONSENSE) as error:
        raise UsageError(
            "this is not an archive of images",
            where=str(path),
            why=str(error),
            fix="make it with `docker save -o FILE.tar IMAGE:TAG`",
        ) from None


def archive_of(archives: tuple[ImageArchive, ...], reference: str) -> ImageArchive | None:
    """Return the archive that holds an image, whichever registry it is named by there."""
    for archive in archives:
        if any(_bare(name) == _bare(reference) for name in archive.references):
            return archive
    return None


def name_in(archive: ImageArchive, reference: str) -> str:
    """Return what the archive itself calls the image."""
    return next(name for name in archive.references if _bare(name) == _bare(reference))


def _bare(reference: str) -> str:
    """Leave out a registry's host, and what Docker's own is called in long."""
    host, _, rest = reference.partition("/")
    bare = rest if rest and ("." in host or ":" in host or host == "localhost") else reference
    return bare.removeprefix("library/")
