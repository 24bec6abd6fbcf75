"""A snapshot on this computer, with all that is needed to use it: complete, or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from picluster.errors import PreflightRefused, UsageError
from picluster.local_files import PRIVATE_DIRECTORY, create
from picluster.secret import Secret
from picluster.steps.download import digest_of

MANIFEST = "manifest.json"
TOKEN = "token"  # noqa: S105 - a file's name
CONFIG = "config.yaml"
CLUSTER_FILE = "cluster.yaml"
VERSION = "k3s-version"
BESIDE = frozenset((TOKEN, CONFIG, CLUSTER_FILE, VERSION))
"""What is in a snapshot's directory beside its manifest and the snapshot itself."""

_FORMAT = 1
_PART = ".part-"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,118}[a-z0-9])?")
_GIVEN_NAME = 40

Fill: TypeAlias = Callable[[Path], "Origin"]

# A name without a path, and not of those that are hidden or taken for options.
_FileName = Annotated[str, Field(pattern=r"\A[^/.\x00-\x1f\x7f-][^/\x00-\x1f\x7f]{0,254}\z")]
_Host = Annotated[str, Field(pattern=r"\A[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\z")]
_Version = Annotated[str, Field(pattern=r"\Av[0-9A-Za-z][0-9A-Za-z.+-]{0,60}\z")]
_Digest = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
_STRICT = ConfigDict(defer_build=True, strict=True, extra="forbid", frozen=True)


def valid_name(name: str) -> str:
    """Return the name of a snapshot to be taken; raises `UsageError` if it cannot be one.

    K3s adds the node's name and the time, and makes an object of that name in the cluster.
    """
    if len(name) <= _GIVEN_NAME and _NAME.fullmatch(name):
        return name
    raise UsageError(
        f"{name!r} cannot be a snapshot's name",
        fix=f"use at most {_GIVEN_NAME} lower-case letters, digits, dots and dashes, such as "
        "before-upgrade",
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a snapshot comes from: server, file name there, K3s's version.

    `taken` is in seconds since the epoch, `digest` what the server says of the file.
    """

    cluster: str
    server: str
    file: str
    k3s: str
    taken: float
    digest: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A snapshot's directory on this computer, as its manifest describes it.

    `size` is that of the snapshot in bytes.
    """

    directory: Path
    name: str
    origin: Origin
    size: int
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def snapshot(self) -> Path:
        """The file that K3s restores from."""
        return self.directory / self.origin.file

    @property
    def digest(self) -> str:
        """SHA-256 of the snapshot."""
        return self.origin.digest

    def token(self) -> Secret:
        """Return the token of the cluster that it was taken of. Raises `PreflightRefused`."""
        try:
            return Secret((self.directory / TOKEN).read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise _broken(self.directory, f"{TOKEN} cannot be read: {why}") from None

    def verify(self) -> None:
        """Raise `PreflightRefused` unless all files of a snapshot are those of the manifest."""
        for name in sorted(BESIDE | {self.origin.file}):
            path = self.directory / name
            if not path.is_file():
                raise _broken(self.directory, f"{name} is missing")
            if digest_of(path) != self.files.get(name):
                raise _broken(self.directory, f"{name} is not what its digest says")


def _broken(directory: Path, why: str) -> PreflightRefused:
    return PreflightRefused(
        f"the snapshot in {directory} cannot be used",
        why=why,
        fix="copy it anew from where it is intact; `picluster snapshot list` names what there is",
    )


class _Origin(BaseModel):
    model_config = _STRICT

    cluster: _Host
    server: _Host
    file: _FileName
    k3s: _Version
    taken: Annotated[float, Field(ge=0, lt=10**12, allow_inf_nan=False)]
    digest: _Digest


class _Manifest(BaseModel):
    model_config = _STRICT

    picluster: Literal[1]
    request: Annotated[str, Field(max_length=200)] = ""  # in those of former versions
    origin: _Origin
    size: Annotated[int, Field(ge=0)]
    files: dict[_FileName, _Digest]

    @property
    def is_whole(self) -> bool:
        """Whether its files are exactly those that a snapshot has."""
        names, own = BESIDE | {self.origin.file}, self.files.get(self.origin.file)
        return (
            self.origin.file not in BESIDE
            and set(self.files) == names
            and (own == self.origin.digest)
        )


def read_bundle(directory: Path) -> Bundle:
    """Read a snapshot's manifest. Raises `PreflightRefused` if there is none that can be used."""
    try:
        found = _Manifest.model_validate_json((directory / MANIFEST).read_bytes())
    except OSError as error:
        raise _broken(directory, f"{MANIFEST} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        why = f"{MANIFEST} is not one of picluster's{f': see {place!r}' if place else ''}"
        raise _broken(directory, why) from None
    if not found.is_whole:
        raise _broken(directory, f"{MANIFEST} does not name exactly the files of a snapshot")
    return Bundle(
        directory=directory,
        name=directory.name,
        origin=Origin(**found.origin.model_dump()),
        size=found.size,
        files=found.files,
    )


def bundles_in(store: Path) -> list[Bundle]:
    """Return what a cluster has on this computer; what cannot be read is left out."""
    found = []
    for directory in sorted(store.iterdir()) if store.is_dir() else ():
        if directory.name.startswith(".") or not (directory / MANIFEST).is_file():
            continue
        try:
            found.append(read_bundle(directory))
        except PreflightRefused:
            continue
    return found


def make_bundle(store: Path, name: str, fill: Fill) -> Bundle:
    """Make a snapshot's directory: `fill` puts files into an empty one, which then gets its name.

    What an interrupted run left unfinished is removed first; the cluster's lock has to be held.
    """
    store.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    for left in store.glob(f"{_PART}*"):
        shutil.rmtree(left, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=_PART, dir=store))
    try:
        origin = fill(part)
        files = {path.name: digest_of(path) for path in sorted(part.iterdir())}
        manifest = {
            "picluster": _FORMAT,
            "origin": asdict(origin),
            "size": (part / origin.file).stat().st_size,
            "files": files,
        }
        write_file(part / MANIFEST, [json.dumps(manifest, indent=2).encode() + b"\n"])
        part.rename(store / name)
        _sync_directory(store)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return read_bundle(store / name)


def write_file(path: Path, blocks: Iterable[bytes]) -> str:
    """Write a new file that only its owner can read, to the disk; return its SHA-256."""
    digest = hashlib.sha256()
    with create(path) as file:
        for block in blocks:
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
