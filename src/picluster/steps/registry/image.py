"""The registry's image is on its node: from an archive on this computer, or pulled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place
from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.steps.download import digest_of
from picluster.steps.registry import paths
from picluster.steps.saved_images import for_docker

IMAGE = "registry-image"

_SUFFIXES = (".tar", ".tar.gz", ".tar.xz")
_LOAD_SECONDS = 600.0
_UPLOAD_SECONDS = 1800.0
_PRIVATE = 0o600


def archive_name(image: str) -> str:
    """Return what an image's archive is called: `registry:2` -> `registry-2`, and then `.tar`."""
    return image.rsplit("/", 1)[-1].replace("@sha256:", "-").replace(":", "-")


def find_archive(directory: Path | None, image: str) -> Path | None:
    """Return the image's archive in an air-gap directory, if there is one."""
    if directory is None:
        return None
    candidates = [directory / f"{archive_name(image)}{suffix}" for suffix in _SUFFIXES]
    candidates.append(directory / for_docker(image))
    return next((path for path in candidates if path.is_file()), None)


@dataclass(frozen=True, slots=True)
class SendArchive:
    """Put an image's archive on the node."""

    archive: Path

    @property
    def title(self) -> str:
        return f"uploading {self.archive.name}"

    def perform(self, place: Place) -> None:
        """Send it, verified there. Raises `ActionFailed`."""
        place.progress.report(f"uploading {self.archive.stat().st_size // 1_000_000} MB")
        place.sessions.get(place.target).upload(
            self.archive,
            paths.ARCHIVE,
            sha256=digest_of(self.archive),
            mode=_PRIVATE,
            owner="root:root",
            timeout=_UPLOAD_SECONDS,
        )


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """Docker has the registry's image.

    One that is there is neither pulled nor loaded again. With an air-gap `directory`, `archive` is
    the only place that it may come from. `timeout` is that of a pull, in seconds.
    """

    image: str
    directory: Path | None
    archive: Path | None
    timeout: float
    name: str = IMAGE

    @property
    def title(self) -> str:
        return f"Docker has the image {self.image}"

    def probe(self) -> ShellProbe[bool]:
        return ShellProbe(
            self.name,
            f"docker image inspect -f 'image={{{{.Id}}}}' {quote(self.image)} 2>/dev/null || true",
            lambda seen: seen.has("image"),
        )

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()):
            return Satisfied()
        if self.archive is not None:
            return Change(
                f"load {self.image} from {self.archive.name}",
                (SendArchive(self.archive), loading(self.image)),
                reason="it is missing",
            )
        if self.directory is not None:
            name = f"{archive_name(self.image)}.tar"
            return Blocked(
                f"the air-gap directory {self.directory} has no {name}",
                f"make it where there is a network, for the node's architecture: `docker pull "
                f"{self.image} && docker save -o {name} {self.image}`",
            )
        return Change(
            f"pull {self.image}",
            (Run(f"docker pull {quote(self.image)}", timeout=self.timeout),),
            reason="it is missing",
        )


def loading(image: str) -> Run:
    """Return what has Docker load the archive that was sent, if the image is in it."""
    script = shell(__package__, "load_image", ARCHIVE=paths.ARCHIVE, IMAGE=image)
    return Run(script, timeout=_LOAD_SECONDS)
