"""The user's kubeconfig file: where it is, and how it is changed without risk to it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import PiclusterError
from picluster.kube import kubeconfig
from picluster.kube.kubeconfig import KubeconfigEntry
from picluster.local_files import create, write_private


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the file: whether it changed, and where the copy of its former self is."""

    path: Path
    changed: bool
    backup: Path | None = None


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return the file that kubectl writes to: the first of `$KUBECONFIG`, or `~/.kube/config`."""
    environment = os.environ if environment is None else environment
    for part in environment.get("KUBECONFIG", "").split(os.pathsep):
        if part:
            return Path(part).expanduser()
    return Path.home() / ".kube" / "config"


def merge_into(path: Path, entry: KubeconfigEntry, *, dry_run: bool = False) -> Written:
    """Put the entry into the file; see `kubeconfig.merge`. `dry_run` only says if it would change.

    Nothing to change: the file is not touched. Otherwise its former content is first kept as
    `<path>.picluster-backup-<time>`, and the new one replaces it atomically, readable by its owner
    only. A symbolic link stays one; what it points to is replaced.

    Raises `PiclusterError` naming the file, and leaves it untouched, if it cannot be used.
    """
    return _edit(path, lambda text: kubeconfig.merge(text, entry), dry_run=dry_run)


def remove_from(path: Path, name: str, *, dry_run: bool = False) -> Written:
    """Take what picluster wrote under `name` out of the file, as carefully as `merge_into`."""
    if not path.exists():
        return Written(path, changed=False)
    return _edit(path, lambda text: kubeconfig.remove(text, name), dry_run=dry_run)


def _edit(path: Path, change: Callable[[str], str], *, dry_run: bool) -> Written:
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "it is not a regular file", str(path))
        before = path.read_bytes() if path.exists() else None
        text = "" if before is None else before.decode("utf-8-sig")
        after = change(text)
        if before is not None and after == text:
            return Written(path, changed=False)
        if dry_run:
            return Written(path, changed=True)
        backup = None if before is None else _back_up(path, before)
        # What a symbolic link points to is replaced, and the link stays.
        write_private(path.resolve(), after)
    except UnicodeDecodeError:
        raise PiclusterError(
            "the kubeconfig is not UTF-8 text", where=str(path), fix="repair it or move it away"
        ) from None
    except OSError as error:
        raise PiclusterError(
            "cannot change the kubeconfig",
            where=str(path),
            why=error.strerror or str(error),
            fix="let the file and its directory be yours, or set KUBECONFIG to another",
        ) from error
    except PiclusterError as error:
        error.where = error.where or str(path)
        raise
    return Written(path, changed=True, backup=backup)


def _back_up(path: Path, content: bytes) -> Path:
    """Keep the former content beside the file. Two changes within one second keep two copies."""
    stamp = time.strftime("%Y%m%dT%H%M%S")
    for count in range(1000):
        suffix = f"-{count}" if count else ""
        backup = path.with_name(f"{path.name}.picluster-backup-{stamp}{suffix}")
        with contextlib.suppress(FileExistsError):
            with create(backup) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            return backup
    raise FileExistsError(0, "too many backups of this second", str(path))
