"""K3s's own files on this computer: downloaded once and verified, or from an air-gap directory.

One download serves all nodes. The cache is keyed by version and architecture; what is in it has
passed its checksum, because only verified files are moved into place.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote as quote_url

from picluster.errors import PiclusterError, StepFailed
from picluster.once import Once
from picluster.steps.download import (
    MOST_BYTES,
    MOST_TEXT,
    Report,
    digest_of,
    download,
    parse_checksums,
)

_FIX = (
    "check k3s.version and the network, or point k3s.airgap_dir at a directory that holds the "
    "release"
)
BINARY_NAMES = {"amd64": "k3s", "arm64": "k3s-arm64"}
INSTALL_SCRIPT = "install.sh"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A verified file on this computer."""

    path: Path
    sha256: str


def binary_name(arch: str) -> str:
    """Return what a release calls the binary for a Debian architecture name.

    Raises `StepFailed` for an architecture that K3s is not released for in 64 bits.
    """
    try:
        return BINARY_NAMES[arch]
    except KeyError:
        raise StepFailed(
            f"there is no 64-bit K3s for the architecture {arch or 'of this node'!r}",
            fix="flash a 64-bit (arm64) image",
        ) from None


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _quietly(_: str) -> None:
    """Tell nobody: no step has begun that it could be of."""


@dataclass(slots=True)
class Artifacts:
    """Finds the files of one K3s version.

    Nodes are worked on in parallel and ask for the same files: each is fetched, and its checksum
    compared, once a run.
    """

    version: str
    release_url: str
    install_url: str
    airgap_dir: Path | None
    cache: Path
    install_sha256: str | None = None
    _found: Once[str, Artifact] = field(default_factory=Once)
    _others: Once[str, Artifacts] = field(default_factory=Once)

    def of(self, version: str) -> Artifacts:
        """Return the files of another version, which an upgrade goes through on its way.

        An air-gap directory has them in a directory called after the version. Raises `StepFailed`.
        """
        if version == self.version:
            return self
        return self._others.get(version, lambda: self._other(version))

    def _other(self, version: str) -> Artifacts:
        directory = self.airgap_dir / version if self.airgap_dir is not None else None
        if directory is not None and not directory.is_dir():
            raise StepFailed(
                f"the air-gap directory has no {version}, which the upgrade goes through",
                where=str(directory),
                fix=f"put the files of {version} there, as docs/air-gap.md lists",
            )
        return replace(self, version=version, airgap_dir=directory, _found=Once(), _others=Once())

    def fetch_ahead(self, arch: str) -> None:
        """Begin to fetch what a bare node needs, and return; who needs it later waits for the rest.

        What fails is tried again, and told, when it is needed.
        """
        if self.airgap_dir is None:
            name = f"fetching K3s for {arch}"
            threading.Thread(target=self._fetch, args=(arch,), name=name, daemon=True).start()

    def _fetch(self, arch: str) -> None:
        with suppress(PiclusterError):
            self.binary(arch, _quietly)
            self.install_script(_quietly)

    def binary(self, arch: str, report: Report) -> Artifact:
        """Return the K3s binary for a Debian architecture name, verified.

        Raises `StepFailed` if it cannot be had or its checksum is wrong.
        """
        name = binary_name(arch)
        return self._found.get(name, lambda: self._binary(name, arch, report))

    def install_script(self, report: Report) -> Artifact:
        """Return K3s's install script.

        No checksum of it is published: HTTPS vouches for it, or `install_sha256`. Raises
        `StepFailed` if it cannot be had, or is not the one with that digest.
        """
        return self._found.get(INSTALL_SCRIPT, lambda: self._install_script(report))

    def images(self, arch: str) -> Artifact | None:
        """Return the air-gap image archive for an architecture, if the directory has one.

        Raises `StepFailed` if it is not the one that the checksum file beside it lists.
        """
        if self.airgap_dir is None:
            return None
        found = sorted(self.airgap_dir.glob(f"k3s-airgap-images-{arch}.tar*"))
        if not found:
            return None
        return self._found.get(found[0].name, lambda: self._images(found[0], arch))

    def _images(self, path: Path, arch: str) -> Artifact:
        listed = path.with_name(f"sha256sum-{arch}.txt")
        sums = parse_checksums(_text_of(listed)) if listed.is_file() else {}
        if path.name not in sums:
            raise self._failure(f"{listed.name} does not list {path.name}", str(path.parent))
        return self._checked(path, sums[path.name])

    def _binary(self, name: str, arch: str, report: Report) -> Artifact:
        sums = parse_checksums(self._text(f"sha256sum-{arch}.txt", report))
        if name not in sums:
            raise self._failure(f"sha256sum-{arch}.txt does not list {name}", self._where(name))
        return self._verified(name, sums[name], report)

    def _install_script(self, report: Report) -> Artifact:
        if self.airgap_dir is not None:
            path = self._present(self.airgap_dir / INSTALL_SCRIPT)
        else:
            key = hashlib.sha256(self.install_url.encode()).hexdigest()[:12]
            path = self.cache / self.version / f"install-{key}.sh"
            self._refresh(self.install_url, path, report, self.install_sha256)
        return self._checked(path, self.install_sha256)

    def _verified(self, name: str, wanted: str, report: Report) -> Artifact:
        if self.airgap_dir is not None:
            path = self._present(self.airgap_dir / name)
        else:
            path = self.cache / self.version / name
            if not path.exists() or digest_of(path) != wanted:
                report(f"downloading {name} {self.version}")
                self._download(self._url(name), path, report, wanted)
        return self._checked(path, wanted)

    def _checked(self, path: Path, wanted: str | None) -> Artifact:
        found = digest_of(path)
        if wanted is not None and found != wanted:
            raise self._failure(f"the checksum of {path.name} is wrong", str(path))
        return Artifact(path, found)

    def _text(self, name: str, report: Report) -> str:
        if self.airgap_dir is not None:
            return _text_of(self._present(self.airgap_dir / name))
        path = self.cache / self.version / name
        self._refresh(self._url(name), path, report)
        return _text_of(path)

    def _refresh(self, url: str, path: Path, report: Report, sha256: str | None = None) -> None:
        """Fetch a small file anew; what was fetched before serves while the network is down."""
        try:
            self._download(url, path, report, sha256, most=MOST_TEXT)
        except StepFailed:
            if not path.exists():
                raise

    def _present(self, path: Path) -> Path:
        if not path.is_file():
            raise StepFailed(
                f"the air-gap directory has no {path.name}",
                where=str(path.parent),
                fix=f"put {path.name} of {self.version} there, as docs/air-gap.md lists",
            )
        return path

    def _url(self, name: str) -> str:
        # The `+` of a version is a literal in GitHub's paths, but many mirrors read it as a space.
        return f"{self.release_url.rstrip('/')}/{quote_url(self.version, safe='')}/{name}"

    def _where(self, name: str) -> str:
        return str(self.airgap_dir) if self.airgap_dir is not None else self._url(name)

    def _download(
        self, url: str, path: Path, report: Report, sha256: str | None, most: int = MOST_BYTES
    ) -> None:
        download(url, path, report, sha256=sha256, fix=_FIX, most=most)

    def _failure(self, what: str, where: str) -> StepFailed:
        return StepFailed(what, where=where, fix=_FIX)
