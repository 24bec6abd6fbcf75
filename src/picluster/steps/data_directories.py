"""Data that outlives what made it: kept and named, or deleted because that was asked for.

Only what its owner made is deleted: entries that nobody else puts there, in a directory that has
the owner's mark if there is one. Whatever else is in the directory stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Change, Decision, Risk, Run, Satisfied
from picluster.engine.survey import Look
from picluster.steps.sizes import told_size

_DELETE_SECONDS = 3600.0
_MEASURE_SECONDS = 30
_MOST_NAMED = 5
_OF_THE_FILE_SYSTEM = "lost+found"

OF_REGISTRY = ("docker/registry",)
"""What a registry keeps its images in (distribution's filesystem driver)."""
REGISTRY_MARK = ".picluster-registry"
"""Is put into a directory that was empty when the registry came, and says that it is its own."""
OF_LONGHORN = (
    *("longhorn-disk.cfg", "replicas", "backing-images"),
    *("engine-binaries", "unix-domain-socket"),
)
"""What Longhorn puts on a disk of its own, and what its manager and engines leave on a node."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a directory holds: entries of its owner's, others' by name, and `size` in words."""

    real: str
    marked: bool
    own: tuple[str, ...]
    others: tuple[str, ...]
    size: str


def _held(seen: Observation, *, own: Sequence[str], mark: str) -> Held:
    entries = seen.every("entry")
    above = {str(parent) for each in own for parent in PurePosixPath(each).parents}
    beside = [
        each
        for each in entries
        if each not in (*own, *above, mark, _OF_THE_FILE_SYSTEM)
        and str(PurePosixPath(each).parent) in (above or {"."})
    ]
    return Held(
        real=seen.text("real", ""),
        marked=seen.flag("marked"),
        own=tuple(each for each in own if each in entries) if own else tuple(beside),
        others=tuple(beside) if own else (),
        size=told_size(seen.text("bytes", "")) or "more than could be measured",
    )


def _look_into(path: str, own: Sequence[str], mark: str) -> ShellProbe[Held]:
    script = shell(
        __package__,
        "measure_data",
        DATA=path,
        OWN=tuple(own),
        MARK=mark,
        SECONDS_TO_MEASURE=_MEASURE_SECONDS,
    )
    return ShellProbe(f"data-{path}", script, partial(_held, own=own, mark=mark))


@dataclass(frozen=True, slots=True)
class DataKept:
    """A directory of data stays, and the user is told where it is and how large."""

    what: str
    path: str

    @property
    def name(self) -> str:
        return f"data-{self.path}"

    @property
    def title(self) -> str:
        return f"{self.path} is kept"

    def probe(self) -> ShellProbe[Held]:
        return _look_into(self.path, (), "")

    def decide(self, look: Look) -> Decision:
        held = look.read(self.probe())
        kept = f"kept: {self.what} in {self.path} ({held.size})"
        return Satisfied(warning=f"{kept}; --data deletes them" if held.own else "")


@dataclass(frozen=True, slots=True)
class DataDeleted:
    """A directory has nothing of its owner's any more; it may be a mount point, which stays.

    `own` are the entries that only its owner puts there; without any, all of it is its owner's.
    Without the file `mark` it is not known who made them.
    """

    what: str
    path: str
    own: Sequence[str] = ()
    mark: str = ""

    @property
    def name(self) -> str:
        return f"data-{self.path}"

    @property
    def title(self) -> str:
        return f"{self.path} holds nothing of {self.what}"

    def probe(self) -> ShellProbe[Held]:
        return _look_into(self.path, self.own, self.mark)

    def decide(self, look: Look) -> Decision:
        held = look.read(self.probe())
        others = _named(held.others)
        if not held.own:
            left = f"left alone: {others} in {self.path}, as nothing says that it is {self.what}"
            return Satisfied(warning=left if others else "")
        if held.real != self.path:
            return Blocked(
                f"{self.path} is not emptied: it leads to {held.real}",
                f"name {held.real} in the cluster file, or empty it by hand if it may go; or run "
                "the reset without --data",
            )
        if self.mark and not held.marked:
            return Blocked(
                f"{self.path} is not emptied: it holds {_named(held.own)} ({held.size}), and "
                "picluster did not make it",
                f"look at it and empty it by hand if it may go: there is no {self.mark} in "
                f"{self.path}; or run the reset without --data",
            )
        stays = f"; {others} in it stays" if others else ""
        return Change(
            f"DELETE {self.what} in {self.path} ({held.size}){stays}",
            (self.deleting,),
            reason="--data asks for it",
            risk=Risk.DATA_LOSS,
        )

    @property
    def deleting(self) -> Run:
        """What takes its owner's entries away."""
        script = shell(
            __package__, "delete_data", DATA=self.path, OWN=tuple(self.own), MARK=self.mark
        )
        return Run(script, timeout=_DELETE_SECONDS)


def _named(entries: Sequence[str]) -> str:
    more = len(entries) - _MOST_NAMED
    return ", ".join(entries[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
