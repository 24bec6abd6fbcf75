"""One file: who may read it, what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Answer, Observation, ShellProbe
from picluster.engine.quote import quote


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it is. `access` is mode and owner, as `644 root:root`; empty if there is no file.

    `content` is None where it was not asked for, or is the same as the wanted one.
    """

    access: str = ""
    digest: str = ""
    content: str | None = None

    @property
    def exists(self) -> bool:
        """Whether there is such a file."""
        return bool(self.access)


def _parse(seen: Observation) -> FileState:
    said = Answer(seen)
    return FileState(said.text("access", ""), said.text("sha256", ""), said.content("content"))


def file_unless(name: str, path: str, digest: str) -> ShellProbe[FileState]:
    """Ask for mode, owner and digest, and for the content if the digest is another one."""
    where = quote(path)
    return ShellProbe(
        name,
        f"{_access(where)}"
        f'sum=$(sha256sum <{where}); sum=${{sum%% *}}; echo "sha256=$sum"\n'
        f'[ "$sum" = {quote(digest)} ] || echo "content=$(base64 -w0 <{where})"',
        _parse,
    )


def secret_file(name: str, path: str) -> ShellProbe[FileState]:
    """Ask for mode, owner and digest only: the content stays where it is."""
    where = quote(path)
    text = f'{_access(where)}sum=$(sha256sum <{where}); echo "sha256=${{sum%% *}}"'
    return ShellProbe(name, text, _parse, secret=True)


def whole_file(name: str, path: str, *, secret: bool = False) -> ShellProbe[FileState]:
    """Ask for mode, owner and content."""
    where = quote(path)
    text = f'{_access(where)}echo "content=$(base64 -w0 <{where})"'
    return ShellProbe(name, text, _parse, secret=secret)


def _access(where: str) -> str:
    return f"[ -f {where} ] || return 0\nstat -c 'access=%a %U:%G' {where}\n"
