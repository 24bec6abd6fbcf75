"""One file: who may read it, what it holds; and the file that tells a program something."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.shell import shared

_KEPT = (
    "/etc/modules-load.d/k3s.conf",
    "/etc/sysctl.d/99-k3s.conf",
    "/etc/rancher/k3s/config.yaml",
    "/etc/rancher/k3s/registries.yaml",
    "/etc/rancher/k3s/registry-ca.crt",
    "/etc/rancher/k3s/cluster-token",
)
FILES = shared(__package__, "files", KEPT=" ".join(_KEPT), LINE_END="\n")
"""Shell that defines `file PATH`: what picluster keeps on most nodes is looked at in one go.

Any other file is looked at by itself, which takes two processes.
"""


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
    return FileState(seen.text("access", ""), seen.text("sha256", ""), seen.content("content"))


def file_unless(name: str, path: str, digest: str) -> ShellProbe[FileState]:
    """Ask for mode, owner and digest, and for the content if the digest is another one."""
    where = quote(path)
    return ShellProbe(
        name,
        f'{_access(where)}echo "sha256=$digest"\n'
        f'[ "$digest" = {quote(digest)} ] || echo "content=$(base64 -w0 <{where})"',
        _parse,
    )


def whole_file(name: str, path: str, *, secret: bool = False) -> ShellProbe[FileState]:
    """Ask for mode, owner and content."""
    where = quote(path)
    text = f'{_access(where)}echo "content=$(base64 -w0 <{where})"'
    return ShellProbe(name, text, _parse, secret=secret)


def _access(where: str) -> str:
    return f'{FILES}file {where} || return 0\necho "access=$access"\n'


@dataclass(frozen=True, slots=True)
class DropInState:
    """Whether a program is on the machine, and what its drop-in says; empty if there is none."""

    installed: bool
    text: str = ""


def _drop_in(seen: Observation) -> DropInState:
    return DropInState(seen.flag("installed"), seen.content("text") or "")


def drop_in(name: str, path: str, installed: str) -> ShellProbe[DropInState]:
    """Ask for a drop-in, where the shell command `installed` says that somebody reads it."""
    text = f"{installed} || return 0\necho installed=yes\n"
    text += f'[ ! -e {path} ] || echo "text=$(base64 -w0 <{path})"'
    return ShellProbe(name, text, _drop_in)
