"""The `picluster snapshot` commands: the cluster's data is saved, listed, and gone back to."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.options import (
    DEFAULT_FILE,
    AcceptKeys,
    DryRun,
    File,
    Json,
    Verbose,
    Yes,
)

if TYPE_CHECKING:
    from picluster.steps.k3s.bundle import Bundle

app = typer.Typer(
    help="Save the cluster's database, and go back to it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Snapshot = Annotated[str, typer.Argument(metavar="NAME", help="As `snapshot list` names it.")]


@app.command()
def save(
    *,
    name: Annotated[str, typer.Option("--name", help="What to call it [made of the time].")] = "",
    file: File = DEFAULT_FILE,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Take a snapshot, and copy it here with its token."""
    from picluster.cli import work
    from picluster.cli.context import Choice, every_node
    from picluster.operations.snapshot import save as saved
    from picluster.steps.k3s.bundle import valid_name

    build = saved(valid_name(name) if name else "")
    optional = every_node(file)
    choice = Choice(file, (), None, json, verbose, accept_new_host_keys, optional)
    if dry_run:
        sys.exit(work.show_operation(choice, build))
    sys.exit(work.operate(choice, "snapshot-save", build))


@app.command()
def pull(
    name: Snapshot,
    *,
    file: File = DEFAULT_FILE,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Copy a snapshot that is on a server here."""
    from picluster.cli import work
    from picluster.cli.context import Choice, every_node
    from picluster.operations.snapshot import pull as pulled

    choice = Choice(file, (), None, json, verbose, accept_new_host_keys, every_node(file))
    sys.exit(work.operate(choice, "snapshot-pull", pulled(name)))


@app.command("list")
def list_(
    *,
    file: File = DEFAULT_FILE,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """List the snapshots on this computer, and those on the servers."""
    from picluster.cli import work
    from picluster.cli.context import Choice, every_node

    choice = Choice(file, (), None, json, verbose, accept_new_host_keys, every_node(file))
    sys.exit(work.list_snapshots(choice))


@app.command()
def restore(
    name: Snapshot,
    *,
    yes: Yes = False,
    file: File = DEFAULT_FILE,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Take the cluster back to a snapshot that is here.

    Every server is stopped, and all of them are needed. What was changed since the snapshot is
    lost; volumes stay. On nodes without K3s the snapshot's cluster is made anew.
    """
    from picluster.cli import work
    from picluster.cli.context import Choice
    from picluster.model import load
    from picluster.operations.snapshot import restore as restored

    cluster = load(file).cluster
    bundle = _bundle(cluster.name, name)
    bundle.verify()
    optional = [agent.name for agent in cluster.agents]
    required = [server.name for server in cluster.servers]
    choice = Choice(file, (), None, json, verbose, accept_new_host_keys, optional, required)
    choice = replace(choice, token=bundle.token())
    build = restored(bundle)
    if dry_run:
        sys.exit(work.show_operation(choice, build))
    what = f"take {cluster.name} back to {bundle.name}; later changes to the cluster are LOST"
    sys.exit(work.destroy(choice, "snapshot-restore", build, name=cluster.name, what=what, yes=yes))


def _bundle(cluster: str, name: str) -> Bundle:
    from picluster.errors import UsageError
    from picluster.paths import cluster_state
    from picluster.steps.k3s.bundle import MANIFEST, bundles_in, read_bundle
    from picluster.steps.k3s.snapshots import find_here, nearest

    if (Path(name) / MANIFEST).is_file():
        return read_bundle(Path(name))
    here = bundles_in(cluster_state(cluster) / "snapshots")
    found = find_here(here, name)
    if found is None:
        raise UsageError(
            f"there is no snapshot {name!r} on this computer",
            fix=nearest(name, [each.name for each in here])
            + f"; one that is on a server comes here with `picluster snapshot pull {name}`",
        )
    return found
