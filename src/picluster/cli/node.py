"""The `picluster node` commands: a node leaves the cluster, or another machine takes its place."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from picluster.cli.options import Data, DryRun, OneByOne, Options, Volumes, Yes, command

app = typer.Typer(
    help="Take a node out, or let a re-flashed one in.", no_args_is_help=True, rich_markup_mode=None
)
Name = Annotated[str, typer.Argument(metavar="NODE", help="The node's name.")]


@command(app)
def remove(
    node: Name,
    *,
    yes: Yes = False,
    data: Data = False,
    volumes: Volumes,
    dry_run: DryRun = False,
    given: OneByOne,
) -> None:
    """Take a node out of the cluster, and K3s off it.

    One that is broken, or not in the file any more, is forgotten all the same.
    """
    sys.exit(leave(given, node, "node-remove", volumes, data=data, yes=yes, dry_run=dry_run))


def leave(
    given: Options,
    node: str,
    command: str,
    volumes: Volumes,
    *,
    data: bool,
    yes: bool,
    dry_run: bool,
) -> int:
    """Let one node leave; return the exit code."""
    from picluster.cli import work
    from picluster.cli.context import invocation
    from picluster.cli.terms import said_of, whoever_is_there
    from picluster.errors import UsageError
    from picluster.model import load
    from picluster.operations.membership import remove as removed
    from picluster.site import Scope

    consents = said_of(volumes)
    if data and volumes.keep_volume:
        raise UsageError(
            "--data would delete what --keep-volume keeps", fix="leave one of the two out"
        )
    cluster = load(given.file).cluster
    scope = Scope(only=frozenset({node}), optional=frozenset({node}))
    if node not in [known.name for known in cluster.nodes]:
        scope = whoever_is_there(cluster)
    asked, build = invocation(given, cluster, scope, consents), removed(node, data=data)
    what = f"take {node} out of {cluster.name} and clean it"
    return work.destroy(asked, command, build, name=node, what=what, yes=yes, dry_run=dry_run)


@command(app)
def replace(node: Name, *, volumes: Volumes, dry_run: DryRun = False, given: OneByOne) -> None:
    """Let a re-flashed machine take a node's place.

    Its new host key has to be confirmed. The other servers have to be healthy.
    """
    from picluster.cli import pins, work
    from picluster.cli.context import invocation
    from picluster.cli.prompts import at_a_terminal
    from picluster.cli.terms import limited, said_of
    from picluster.errors import UsageError
    from picluster.model import load
    from picluster.operations.membership import replace as replaced

    cluster, consents = load(given.file).cluster, said_of(volumes)
    scope = limited(cluster, [node])
    if not dry_run and not given.accept_new_host_keys and not at_a_terminal():
        raise UsageError(
            f"{node} may present a new host key, and there is no terminal to confirm it on",
            fix="run again with --accept-new-host-keys if you trust the network",
        )
    if not dry_run:
        pins.forget(cluster, node)
    asked = invocation(given, cluster, scope, consents)
    sys.exit(work.operate(asked, "node-replace", replaced(node), dry_run=dry_run))
