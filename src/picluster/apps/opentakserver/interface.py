"""The web interface's files on this computer, ready to be made an image of.

Upstream's releases have the interface built already, as a .zip with one directory in it, so that
no Pi needs Node.js.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from picluster.engine.place import Place, Progress, Tools
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.errors import StepFailed
from picluster.model.opentakserver import Ui
from picluster.steps.download import MOST_BYTES, digest_of, download

UI_FILES = "ui-files"

_INDEX = "index.html"
_FIX = "check opentakserver.ui in the cluster file; its archive can be a file on this computer"


@dataclass(frozen=True, slots=True)
class UiFiles:
    """A directory here holds what the image is made from.

    `texts` are files of it, by name. With `opentakserver.ui.ref` there is nothing else; otherwise
    `site/` holds the files of the release.
    """

    ui: Ui
    directory: Path
    texts: Mapping[str, str]
    name: str = UI_FILES
    secret: bool = False

    @property
    def title(self) -> str:
        return f"OpenTAKServer-UI {self.ui.ref or self.ui.version} is on this computer"

    def probe(self) -> UiFiles:
        return self

    def ask(self, tools: Tools) -> bool:
        site = self.ui.ref is not None or (self.directory / "site" / _INDEX).is_file()
        return site and all(
            (self.directory / name).is_file() and (self.directory / name).read_text() == text
            for name, text in self.texts.items()
        )

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()):
            return Satisfied()
        source = self.ui.archive or "its release"
        unpack_ = f"unpack OpenTAKServer-UI {self.ui.version} from {source}"
        return Change(
            f"write the Dockerfile for {self.ui.ref}" if self.ui.ref else unpack_,
            (FetchUi(self.ui, self.directory, self.texts),),
            reason="its files are not here",
        )


@dataclass(frozen=True, slots=True)
class FetchUi:
    """Bring the files of the web interface here, anew."""

    ui: Ui
    directory: Path
    texts: Mapping[str, str]
    title: str = "fetching OpenTAKServer-UI"

    def perform(self, place: Place) -> None:
        """Bring them. Raises `StepFailed` for an archive that cannot be had or used."""
        part = self.directory.with_name(f".{self.directory.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        if self.ui.ref is None:
            archive = self.ui.archive or self._downloaded(place.progress)
            if self.ui.sha256 is not None and digest_of(archive) != self.ui.sha256:
                raise StepFailed("it is not the file that is wanted", where=str(archive), fix=_FIX)
            unpack(archive, part / "site")
        for name, text in self.texts.items():
            (part / name).write_text(text)
        shutil.rmtree(self.directory, ignore_errors=True)
        part.rename(self.directory)

    def _downloaded(self, progress: Progress) -> Path:
        name, url = release_file(self.ui)
        path = self.directory.with_name(name)
        if not path.exists():
            download(url, path, progress.report, sha256=self.ui.sha256, fix=_FIX)
        return path


def release_file(ui: Ui) -> tuple[str, str]:
    """Return what the .zip of a release is called, and where it is."""
    name = f"OpenTAKServer-UI-{ui.version}.zip"
    return name, f"{ui.release_url.rstrip('/')}/{ui.version}/{name}"


def unpack(archive: Path, target: Path) -> None:
    """Unpack the directory with the web interface out of a .zip.

    Raises `StepFailed` for what is no .zip, has no index.html, or names files elsewhere.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            indexes = [name for name in packed.namelist() if PurePosixPath(name).name == _INDEX]
            if not indexes:
                raise StepFailed(f"there is no {_INDEX} in it", where=str(archive), fix=_FIX)
            if sum(entry.file_size for entry in packed.infolist()) > MOST_BYTES:
                what = f"it is larger than {MOST_BYTES >> 20} MiB unpacked"
                raise StepFailed(what, where=str(archive), fix=_FIX)
            top = PurePosixPath(min(indexes, key=len)).parent
            for entry in packed.infolist():
                path = PurePosixPath(entry.filename)
                # `is_dir` of zipfile fails at a name that is empty.
                if entry.filename.endswith("/") or not path.is_relative_to(top):
                    continue
                _write(target, path.relative_to(top), packed.read(entry), archive)
    # What zipfile says of a method that it does not know, of a password, and of damaged data.
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise StepFailed(f"it cannot be unpacked: {error}", where=str(archive), fix=_FIX) from error


def _write(target: Path, path: PurePosixPath, content: bytes, archive: Path) -> None:
    if path.is_absolute() or ".." in path.parts:
        raise StepFailed(f"it names a file elsewhere: {path}", where=str(archive), fix=_FIX)
    file = target / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
