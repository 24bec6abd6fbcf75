"""Files with a given content, owner and mode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from picluster.engine.pool import Sessions
from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.script import write_file_snippet
from picluster.engine.step import Action, Change, Decision, Diff, Run, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.errors import ActionFailed
from picluster.facts.files import FileState, file_unless

_ACCESS = "644 root:root"
_SEND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ManagedFile:
    """A file that everybody may read is exactly so; nothing of anybody else is in it.

    The present content is fetched in the same look, and only if it differs, so that a plan can
    show the difference.
    """

    name: str
    path: str
    content: str

    @property
    def title(self) -> str:
        return f"{self.path} is as it should be"

    def probe(self) -> ShellProbe[FileState]:
        return file_unless(self.name, self.path, self._digest)

    def decide(self, look: Look) -> Decision:
        present = look.read(self.probe())
        if present.access == _ACCESS and present.digest == self._digest:
            return Satisfied()
        before = self.content if present.digest == self._digest else present.content or ""
        return Change(
            f"write {self.path}",
            (WriteFile(self.path, self.content),),
            reason=self._reason(present),
            diff=Diff(before, self.content),
        )

    def _reason(self, present: FileState) -> str:
        if not present.exists:
            return "it is missing"
        if present.digest != self._digest:
            return "its content differs"
        return f"its mode and owner are {present.access}, not {_ACCESS}"

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class OptionalFile:
    """A file of picluster's own is exactly so, and not there where it would be empty.

    `after` is what else is to be done whenever it is written or removed.
    """

    name: str
    path: str
    content: str
    after: tuple[Action, ...] = ()

    @property
    def title(self) -> str:
        return self._file.title if self.content else f"there is no {self.path}"

    def probe(self) -> ShellProbe[FileState]:
        return self._file.probe()

    def decide(self, look: Look) -> Decision:
        if self.content:
            decision = self._file.decide(look)
        else:
            present = look.read(self.probe()).exists
            decision = absent(self.path, present=present, reason="it is not needed any more")
        if isinstance(decision, Change):
            return replace(decision, actions=(*decision.actions, *self.after))
        return decision

    @property
    def _file(self) -> ManagedFile:
        return ManagedFile(self.name, self.path, self.content)


def absent(path: str, *, present: bool, reason: str) -> Decision:
    """Want no file there; for what was needed once and is not any more."""
    if not present:
        return Satisfied()
    return Change(f"remove {path}", (Run(f"rm -f {quote(path)}"),), reason=reason)


def send_file(sessions: Sessions, node: str, file: WriteFile) -> None:
    """Write a file on a node at once: for content that is made anew each time it is needed.

    Raises `ActionFailed` if the node cannot store it, and a `NodeError` if it cannot be asked.
    """
    done = sessions.get(node).run(f"set -e\n{write_file_snippet(file)}", timeout=_SEND_SECONDS)
    if done.status != 0:
        raise ActionFailed(
            f"cannot write {file.path}",
            where=node,
            why=done.last_words,
            fix="look for a full or read-only disk on the node",
        )
