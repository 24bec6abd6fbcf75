"""The registry's image is on its node: from an archive on this computer, or pulled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.engine.pool import Sessions
from picluster.engine.quote import quote
from picluster.engine.step import (
    Blocked,
    Call,
    Change,
    Decision,
    Progress,
    Run,
    Satisfied,
    Script,
)
from picluster.engine.survey import Look
from picluster.steps.download import digest_of
from picluster.steps.registry import paths

IMAGE = "registry-image"

_SUFFIXES = (".tar", ".tar.gz", ".tar.xz")
_LOAD_SECONDS = 600.0
_UPLOAD_SECONDS = 1800.0


def archive_name(image: str) -> str:
    """Return what an image's archive is called: `registry:2` -> `registry-2`, and then `.tar`."""
    return image.rsplit("/", 1)[-1].replace("@sha256:", "-").replace(":", "-")


def find_archive(directory: Path | None, image: str) -> Path | None:
    """Return the image's archive in an air-gap directory, if there is one."""
    if directory is None:
        return None
    candidates = (directory / f"{archive_name(image)}{suffix}" for suffix in _SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """Docker has the registry's image.

    One that is there is neither pulled nor loaded again. With an air-gap `directory`, `archive` is
    the only place that it may come from. `timeout` is that of a pull, in seconds.
    """

    node: str
    image: str
    directory: Path | None
    archive: Path | None
    timeout: float
    sessions: Sessions
    name: str = IMAGE

    @property
    def title(self) -> str:
        """State what is true."""
        return f"Docker has the image {self.image}"

    def probe(self) -> Script:
        """Ask Docker, if it is there."""
        return Script(f"{self._inspect} 2>/dev/null || true")

    def decide(self, look: Look) -> Decision:
        """Want it present, from wherever it came."""
        if look.own.facts.get("image"):
            return Satisfied()
        if self.archive is not None:
            return self._load(self.archive)
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
            retry_safe=True,
        )

    def _load(self, archive: Path) -> Change:
        path = paths.ARCHIVE
        script = f"""
trap 'rm -f {path}' EXIT
said=$(docker load -q -i {path})
echo "$said"
{self._inspect} >/dev/null 2>&1 || {{
  echo "{archive_name(self.image)} is not in the archive: $said" >&2; exit 1
}}
"""
        return Change(
            f"load {self.image} from {archive.name}",
            (
                Call(f"uploading {archive.name}", lambda progress: self._upload(archive, progress)),
                Run(script, timeout=_LOAD_SECONDS),
            ),
            reason="it is missing",
            retry_safe=True,
        )

    def _upload(self, archive: Path, progress: Progress) -> None:
        progress.report(f"uploading {archive.stat().st_size // 1_000_000} MB")
        self.sessions.get(self.node).upload(
            archive,
            paths.ARCHIVE,
            sha256=digest_of(archive),
            mode=_PRIVATE,
            owner="root:root",
            timeout=_UPLOAD_SECONDS,
        )

    @property
    def _inspect(self) -> str:
        return f"docker image inspect -f 'image={{{{.Id}}}}' {quote(self.image)}"


_PRIVATE = 0o600
