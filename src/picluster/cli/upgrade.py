"""`picluster upgrade`: to the release of the cluster file, or to one that is written into it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from picluster.cli import work
from picluster.cli.context import Asked, asked_of, invocation
from picluster.cli.options import Options
from picluster.cli.terms import limited
from picluster.errors import UsageError
from picluster.local_files import write_keeping
from picluster.model.edit import with_k3s_version
from picluster.model.load import parse, text_of


def upgrade(given: Options, nodes: Sequence[str] | None, to: str | None, *, dry_run: bool) -> int:
    """Upgrade, or show what would be done; return the exit code."""
    asked = asked_of(given, nodes) if to is None else _with_version(given, nodes, to, dry_run)
    return upgraded(asked, dry_run=dry_run)


def upgraded(asked: Asked, *, dry_run: bool) -> int:
    """Do it for a site that is made already."""
    from picluster.operations.upgrade import next_stop
    from picluster.operations.upgrade import upgrade as every_stop

    build = next_stop if dry_run else every_stop
    return work.operate(asked, "upgrade", build, dry_run=dry_run)


def _with_version(
    given: Options, nodes: Sequence[str] | None, version: str, dry_run: bool
) -> Asked:
    """Ask for the site with another release in its file, which is written unless it is a dry run.

    What the file says is what the next `up` does, so it has to say where the cluster goes.
    """
    text = with_k3s_version(text_of(given.file), version)
    if text is None:
        raise UsageError(
            "the cluster file has no k3s.version that could be written anew",
            where=str(given.file),
            fix=f"write `version: {version}` below `k3s:`, and upgrade without --to",
        )
    cluster = parse(text, given.file).cluster
    if cluster.k3s.version != version:
        raise UsageError(f"--to {version!r} is not a K3s version", fix="write one exact release")
    scope = limited(cluster, nodes)
    if not dry_run and (kept := _written(given.file, text)):
        print(f"{given.file}: k3s.version is {version}; the former file is {kept}", file=sys.stderr)
    return invocation(given, cluster, scope)


def _written(file: Path, text: str) -> Path | None:
    """Write the file, or what it leads to as a link; return where the former one is."""
    try:
        return write_keeping(file.resolve(), text)
    except OSError as error:
        raise UsageError(
            "the cluster file cannot be written",
            where=str(file),
            why=(error.strerror or str(error)).lower(),
            fix="make it writable, or write the version into it yourself and upgrade without --to",
        ) from None
