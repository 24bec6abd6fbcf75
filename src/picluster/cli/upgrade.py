"""`picluster upgrade`: to the release of the cluster file, or to one that is written into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from picluster.cli import work
from picluster.cli.context import Asked, asked_of, invocation
from picluster.cli.options import Options
from picluster.cli.terms import limited
from picluster.errors import UsageError
from picluster.model.edit import with_k3s_version
from picluster.model.load import parse, text_of
from picluster.model.releases import DEFAULTS, parse_version


def upgrade(given: Options, nodes: Sequence[str] | None, to: str | None, *, dry_run: bool) -> int:
    """Upgrade, or show what would be done; return the exit code."""
    asked = asked_of(given, nodes) if to is None else _with_version(given, nodes, to)
    return upgraded(asked, dry_run=dry_run)


def upgraded(asked: Asked, *, dry_run: bool) -> int:
    """Do it for a site that is made already."""
    from picluster.operations.upgrade import next_stop
    from picluster.operations.upgrade import upgrade as every_stop

    build = next_stop if dry_run else every_stop
    return work.operate(asked, "upgrade", build, dry_run=dry_run)


def _with_version(given: Options, nodes: Sequence[str] | None, version: str) -> Asked:
    """Ask for the site as it is with another release in its file, which the upgrade writes."""
    if parse_version(version) is None:
        raise _no_version(version)
    text = with_k3s_version(text_of(given.file), version)
    if text is None:
        raise UsageError(
            "the cluster file has no k3s.version that could be written anew",
            where=str(given.file),
            fix=f"write `version: {version}` below `k3s:`, and upgrade without --to",
        )
    cluster = parse(text, given.file).cluster
    if cluster.k3s.version != version:
        raise _no_version(version)
    asked = invocation(given, cluster, limited(cluster, nodes))
    return replace(asked, site=replace(asked.site, again=f"picluster upgrade --to {version}"))


def _no_version(version: str) -> UsageError:
    fix = f"write one exact release, such as {DEFAULTS['k3s']}"
    return UsageError(f"--to {version!r} is not a K3s version", fix=fix)
