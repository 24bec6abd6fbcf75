"""The cluster file names the release that an upgrade goes to: the next `up` does what it says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place
from picluster.engine.step import Blocked, Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.errors import ActionFailed
from picluster.local_files import write_keeping
from picluster.model.edit import with_k3s_version
from picluster.model.yaml_tree import NotYaml
from picluster.steps.local import TextHere


@dataclass(frozen=True, slots=True)
class WriteClusterFile:
    """Write the cluster file, or what it leads to as a link; the former one stays beside it."""

    path: Path
    text: str

    @property
    def title(self) -> str:
        return f"writing {self.path}"

    def perform(self, place: Place) -> None:
        """Do it, and say where the former one is. Raises `ActionFailed`."""
        try:
            kept = write_keeping(self.path.resolve(), self.text)
        except OSError as error:
            raise ActionFailed(
                "the cluster file cannot be written",
                where=str(self.path),
                why=(error.strerror or str(error)).lower(),
                fix="make it writable, or write the version into it yourself and run "
                "`picluster upgrade` without --to",
            ) from None
        if kept:
            place.progress.report(f"the former cluster file is {kept}")


@dataclass(frozen=True, slots=True)
class ReleaseInFile:
    """The cluster file says `release`, unless it leaves the release to picluster."""

    file: Path
    release: str
    name: str = "release-in-file"

    @property
    def title(self) -> str:
        return f"the cluster file says {self.release}"

    def probe(self) -> TextHere:
        return TextHere(self.name, self.file)

    def decide(self, look: Look) -> Decision:
        text = look.read(self.probe())
        try:
            wanted = with_k3s_version(text, self.release) or text
        except NotYaml:  # it was when the command began
            return Blocked(
                f"{self.file} has been changed meanwhile, and is not valid YAML any more",
                "repair it (`picluster config show` says where), and run the same command again",
            )
        if wanted == text:
            return Satisfied()
        return Change(
            f"write k3s.version {self.release} into {self.file}; the former file is kept",
            (WriteClusterFile(self.file, wanted),),
            reason="the next `up` does what the file says; should the upgrade stop half way, "
            "`picluster upgrade` goes on",
        )
