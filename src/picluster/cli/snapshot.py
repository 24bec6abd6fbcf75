"""The `picluster snapshot` commands: the cluster's data is saved, listed, and gone back to."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from picluster.cli.options import DryRun, OneByOne, Yes, command

app = typer.Typer(
    help="Save the cluster's database, and go back to it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Snapshot = Annotated[str, typer.Argument(metavar="NAME", help="As `snapshot list` names it.")]


@command(app)
def save(
    *,
    name: Annotated[str, typer.Option("--name", help="What to call it [made of the time].")] = "",
    dry_run: DryRun = False,
    given: OneByOne,
) -> None:
    """Take a snapshot, and copy it here with its token."""
    from picluster.cli import work
    from picluster.cli.context import asked_of_whoever_is_there
    from picluster.operations.snapshot import save as saved
    from picluster.steps.k3s.bundle import valid_name

    build = saved(valid_name(name) if name else "")
    sys.exit(
        work.operate(asked_of_whoever_is_there(given), "snapshot-save", build, dry_run=dry_run)
    )


@command(app)
def pull(name: Snapshot, *, given: OneByOne) -> None:
    """Copy a snapshot that is on a server here."""
    from picluster.cli import work
    from picluster.cli.context import asked_of_whoever_is_there
    from picluster.operations.snapshot import pull as pulled

    sys.exit(work.operate(asked_of_whoever_is_there(given), "snapshot-pull", pulled(name)))


@command(app, "list")
def list_(*, given: OneByOne) -> None:
    """List the snapshots on this computer, and those on the servers."""
    from picluster.cli import work
    from picluster.cli.context import asked_of_whoever_is_there
    from picluster.operations.snapshot import list_all
    from picluster.ui import plan_view, snapshot_view
    from picluster.ui.screen import show

    asked = asked_of_whoever_is_there(given)
    (here, there, silent), site = work.look(asked, "snapshot-list", list_all), asked.site
    if given.json:
        name = site.cluster.name
        work.print_json(snapshot_view.as_document(name, here, there, site.notices))
    else:
        show(snapshot_view.as_text(here, there), sys.stdout)
    show(plan_view.missing_text(silent), sys.stderr)


@command(app)
def restore(name: Snapshot, *, yes: Yes = False, dry_run: DryRun = False, given: OneByOne) -> None:
    """Take the cluster back to a snapshot that is here.

    Every server is stopped, and all of them are needed. What was changed since the snapshot is
    lost; volumes stay. On nodes without K3s the snapshot's cluster is made anew.
    """
    from picluster.cli import work
    from picluster.cli.context import invocation
    from picluster.model import load
    from picluster.operations.snapshot import bundle_named
    from picluster.operations.snapshot import restore as restored
    from picluster.paths import kept_of
    from picluster.site import Scope

    cluster = load(given.file).cluster
    bundle = bundle_named(name, kept_of(cluster.name).snapshots)
    bundle.verify()
    scope = Scope(
        optional=frozenset(agent.name for agent in cluster.agents),
        required=frozenset(server.name for server in cluster.servers),
    )
    asked = invocation(given, cluster, scope, token=bundle.token())
    what = f"take {cluster.name} back to {bundle.name}; later changes to the cluster are LOST"
    goes, build = {"name": cluster.name, "what": what}, restored(bundle)
    sys.exit(work.destroy(asked, "snapshot-restore", build, **goes, yes=yes, dry_run=dry_run))
