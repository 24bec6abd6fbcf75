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
from picluster.facts.files import FileState, file_unless, secret_file
from picluster.secret import Secret

_SEND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ManagedFile:
    """A file is exactly so. The whole file is picluster's; nothing of anybody else is in it.

    The present content is fetched in the same look, and only if it differs, so that a plan can
    show the difference; that of a secret never is.
    """

    name: str
    path: str
    content: str | Secret
    mode: int = 0o644
    owner: str = "root:root"
    backup: bool = False

    @property
    def title(self) -> str:
        return f"{self.path} is as it should be"

    def probe(self) -> ShellProbe[FileState]:
        """Ask for mode, owner and digest; and for the content if that is another and no secret."""
        if self._is_secret:
            return secret_file(self.name, self.path)
        return file_unless(self.name, self.path, self._digest)

    def decide(self, look: Look) -> Decision:
        present = look.read(self.probe())
        wanted_access = f"{self.mode:o} {self.owner}"
        if present.access == wanted_access and present.digest == self._digest:
            return Satisfied()
        before = self._text if present.digest == self._digest else present.content or ""
        return Change(
            f"write {self.path}",
            (WriteFile(self.path, self.content, self.mode, self.owner, self.backup),),
            reason=self._reason(present, wanted_access),
            diff=None if self._is_secret else Diff(before, self._text),
        )

    def _reason(self, present: FileState, wanted_access: str) -> str:
        if not present.exists:
            return "it is missing"
        if present.digest != self._digest:
            return "its content differs"
        return f"its mode and owner are {present.access}, not {wanted_access}"

    @property
    def _is_secret(self) -> bool:
        return isinstance(self.content, Secret)

    @property
    def _text(self) -> str:
        return self.content.reveal() if isinstance(self.content, Secret) else self.content

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self._text.encode()).hexdigest()


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
