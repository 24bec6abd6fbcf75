"""The `picluster node` commands: a node leaves the cluster, or another machine takes its place."""

from __future__ import annotations

import sys
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.options import (
    DEFAULT_FILE,
    AcceptKeys,
    Data,
    DryRun,
    File,
    Json,
    KeepVolume,
    LoseVolume,
    Verbose,
    Yes,
)

if TYPE_CHECKING:
    from picluster.cli.context import Choice

app = typer.Typer(
    help="Take a node out, or let a re-flashed one in.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(metavar="NODE", help="The node's name.")]


@app.command()
def remove(
    node: Name,
    *,
    yes: Yes = False,
    data: Data = False,
    lose_volume: LoseVolume = None,
    keep_volume: KeepVolume = None,
    file: File = DEFAULT_FILE,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Take a node out of the cluster, and K3s off it.

    One that is broken, or not in the file any more, is forgotten all the same.
    """
    from picluster.cli.context import Choice, volume_consents

    choice = Choice(file, (node,), None, json, verbose, accept_new_host_keys, (node,))
    said = volume_consents(lose_volume or (), keep_volume or ())
    choice = replace_fields(choice, consents=said)
    sys.exit(leave(choice, node, command="node-remove", data=data, yes=yes, dry_run=dry_run))


def leave(choice: Choice, node: str, *, command: str, data: bool, yes: bool, dry_run: bool) -> int:
    """Let one node leave; return the exit code."""
    from picluster.cli import work
    from picluster.errors import UsageError
    from picluster.model import load
    from picluster.operations.membership import remove as removed

    if data and choice.consents.volumes.keep:
        raise UsageError(
            "--data would delete what --keep-volume keeps", fix="leave one of the two out"
        )
    cluster = load(choice.file).cluster
    if node not in [known.name for known in cluster.nodes]:
        choice = replace_fields(choice, limit=(), optional=[each.name for each in cluster.nodes])
    build = removed(node, data=data)
    if dry_run:
        return work.show_operation(choice, build)
    what = f"take {node} out of {cluster.name} and clean it"
    return work.destroy(choice, command, build, name=node, what=what, yes=yes)


@app.command()
def replace(
    node: Name,
    *,
    lose_volume: LoseVolume = None,
    keep_volume: KeepVolume = None,
    file: File = DEFAULT_FILE,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Let a re-flashed machine take a node's place.

    Its new host key has to be confirmed. The other servers have to be healthy.
    """
    from picluster.cli import pins, work
    from picluster.cli.context import Choice, at_a_terminal, volume_consents
    from picluster.errors import UsageError
    from picluster.model import load
    from picluster.operations.membership import replace as replaced

    choice = Choice(file, (node,), None, json, verbose, accept_new_host_keys)
    said = volume_consents(lose_volume or (), keep_volume or ())
    choice = replace_fields(choice, consents=said)
    if dry_run:
        sys.exit(work.show_operation(choice, replaced(node)))
    if not accept_new_host_keys and not at_a_terminal():
        raise UsageError(
            f"{node} may present a new host key, and there is no terminal to confirm it on",
            fix="run again with --accept-new-host-keys if you trust the network",
        )
    pins.forget(load(file).cluster, node)
    sys.exit(work.operate(choice, "node-replace", replaced(node)))
