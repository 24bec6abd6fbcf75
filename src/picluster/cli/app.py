"""The `picluster` command."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli import images, lab, node, registry, snapshot
from picluster.cli.doctor import doctor
from picluster.cli.image import image
from picluster.cli.init import init
from picluster.cli.options import (
    DEFAULT_FILE,
    AsText,
    Data,
    DryRun,
    File,
    Force,
    Json,
    Limit,
    OneByOne,
    Options,
    Overwritten,
    Range,
    Volumes,
    Yes,
    command,
)
from picluster.cli.remote import completion, exec_, kubeconfig, ssh
from picluster.cli.report import report
from picluster.cli.support import support_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from picluster.cli.context import Asked

app = typer.Typer(
    name="picluster",
    help="From a box of Raspberry Pis to a running, highly available K3s cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
config = typer.Typer(
    help="Look at the cluster file as picluster understands it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
known_hosts = typer.Typer(
    help="The host keys that are pinned for a cluster.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(config, name="config")
app.add_typer(known_hosts, name="known-hosts")
app.add_typer(node.app, name="node")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(registry.app, name="registry")
app.add_typer(images.app, name="images")
app.add_typer(lab.app, name="lab")


command(app)(init)
command(app)(image)


@command(app)
def up(
    *,
    limit: Limit = None,
    phases: Range,
    dry_run: DryRun = False,
    allowed: Overwritten,
    given: Options,
) -> None:
    """Make the cluster what the file says. Run it as often as you like."""
    from picluster.cli import work
    from picluster.cli.context import asked_of
    from picluster.phases.catalog import select

    names = select(phases.first, phases.last)
    sys.exit(work.up(asked_of(given, limit, allowed), "up", names, dry_run=dry_run))


@command(app)
def plan(
    *,
    limit: Limit = None,
    phases: Range,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 2 if there is something to do.")
    ] = False,
    allowed: Overwritten,
    given: Options,
) -> None:
    """Show what `up` would do, with reasons and differences. Changes nothing anywhere."""
    from picluster.cli import work
    from picluster.cli.context import asked_of
    from picluster.phases.catalog import select

    names = select(phases.first, phases.last)
    sys.exit(work.show_plan(asked_of(given, limit, allowed), names, exit_code=exit_code))


@command(app)
def diff(*, limit: Limit = None, phases: Range, allowed: Overwritten, given: AsText) -> None:
    """Show every file that `up` would write, line by line."""
    from picluster.cli import work
    from picluster.cli.context import asked_of
    from picluster.phases.catalog import select

    names = select(phases.first, phases.last)
    sys.exit(work.show_diff(asked_of(given, limit, allowed), names))


@command(app)
def phase(
    name: Annotated[str, typer.Argument(help="The phase: prepare, k3s, ...; or an operation.")],
    *,
    yes: Yes = False,
    data: Data = False,
    limit: Limit = None,
    dry_run: DryRun = False,
    allowed: Overwritten,
    given: Options,
) -> None:
    """Run one phase of `up` alone. `reset`, `restart`, `upgrade` and `validate` work here too."""
    from picluster.cli import work
    from picluster.cli.context import asked_of
    from picluster.phases.catalog import select

    operations: dict[str, Callable[[Asked], int]] = {
        "reset": partial(_reset, data=data, yes=yes, dry_run=dry_run),
        "restart": partial(_restart, dry_run=dry_run),
        "upgrade": partial(_upgrade, dry_run=dry_run),
        "validate": work.validate,
    }
    phases = [] if name in operations else select(name, name)
    asked = asked_of(given, limit, allowed)
    if name in operations:
        sys.exit(operations[name](asked))
    sys.exit(work.up(asked, f"phase-{name}", phases, dry_run=dry_run))


@command(app)
def deploy(
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Make anew what is broken first; volumes stay.")
    ] = False,
    dry_run: DryRun = False,
    force_conflicts: Force = False,
    given: Options,
) -> None:
    """Deploy OpenTAKServer and your applications.

    With --fix, what is broken is made anew first.
    """
    from picluster.cli import work
    from picluster.cli.context import asked_of
    from picluster.phases.deploy import repair

    asked = asked_of(given, allowed=Overwritten(force_conflicts=force_conflicts))
    if not fix:
        sys.exit(work.up(asked, "deploy", ["deploy"], dry_run=dry_run))
    sys.exit(work.operate(asked, "deploy", lambda site, _: [repair(site)], dry_run=dry_run))


@command(app)
def credentials(*, given: OneByOne) -> None:
    """Show where the applications are, and their passwords."""
    from picluster.cli import work
    from picluster.cli.context import asked_of_whoever_is_there
    from picluster.queries.credentials import logins
    from picluster.ui import credentials_view
    from picluster.ui.screen import show

    asked = asked_of_whoever_is_there(given)
    found, site = work.glance(asked, "credentials", logins), asked.site
    if given.json:
        work.print_json(credentials_view.as_document(site.cluster.name, found, site.notices))
    else:
        show(credentials_view.as_text(found, site.notices), sys.stdout)
    sys.exit(0 if found else 1)


@command(app)
def versions(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the internet which releases are current.")
    ] = False,
    given: AsText,
) -> None:
    """Show which releases are asked for, run and are known.

    And which an upgrade to the newest would go through.
    """
    from picluster.cli import work
    from picluster.cli.context import asked_of_whoever_is_there
    from picluster.queries.versions import current, releases
    from picluster.ui import versions_view
    from picluster.ui.screen import show

    rows = work.look(asked_of_whoever_is_there(given), "versions", releases)
    show(versions_view.as_text(rows, current() if check else {}), sys.stdout)


@command(app)
def validate(*, given: Options) -> None:
    """Check the file, the nodes, and the cluster. Changes nothing anywhere."""
    from picluster.cli import work
    from picluster.cli.context import asked_of

    sys.exit(work.validate(asked_of(given)))


@command(app)
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds.")] = False,
    given: Options,
) -> None:
    """Show how the cluster is. Exits with 0 only if all nodes are there and Ready."""
    from picluster.cli import work
    from picluster.cli.context import asked_of_whoever_is_there

    asked = asked_of_whoever_is_there(given)
    sys.exit(work.watch_status(asked, 5.0) if watch else work.status(asked))


@command(app)
def restart(
    *,
    node: Annotated[
        list[str] | None, typer.Option("--node", help="Restart this node only; may be repeated.")
    ] = None,
    dry_run: DryRun = False,
    given: Options,
) -> None:
    """Restart K3s everywhere, one server at a time.

    Each is Ready and voting again before the next.
    """
    from picluster.cli.context import asked_of

    sys.exit(_restart(asked_of(given, node), dry_run=dry_run))


def _restart(asked: Asked, *, dry_run: bool) -> int:
    from picluster.cli import work
    from picluster.operations.restart import restart as restarted

    return work.operate(asked, "restart", restarted, dry_run=dry_run)


@command(app)
def upgrade(
    *,
    to: Annotated[
        str | None, typer.Option("--to", help="Write this release into the cluster file first.")
    ] = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    given: Options,
) -> None:
    """Bring K3s to the file's version, node after node.

    Servers go one at a time, drained; then agents. Where K3s cannot go there at once, the releases
    on the way are gone through one by one.
    """
    from picluster.cli import upgrade as upgrading

    sys.exit(upgrading.upgrade(given, limit, to, dry_run=dry_run))


def _upgrade(asked: Asked, *, dry_run: bool) -> int:
    from picluster.cli.upgrade import upgraded

    return upgraded(asked, dry_run=dry_run)


@command(app)
def reset(
    *,
    node: Annotated[
        str | None, typer.Option("--node", help="Take this one node out of the cluster instead.")
    ] = None,
    yes: Yes = False,
    data: Data = False,
    volumes: Volumes,
    dry_run: DryRun = False,
    given: Options,
) -> None:
    """Uninstall the cluster from every node. Volumes stay, unless --data is given."""
    from picluster.cli.context import asked_of
    from picluster.cli.node import leave
    from picluster.errors import UsageError

    if node is not None:
        sys.exit(leave(given, node, "reset", volumes, data=data, yes=yes, dry_run=dry_run))
    if volumes.lose_volume or volumes.keep_volume:
        raise UsageError(
            "--lose-volume and --keep-volume are about the volumes of one node",
            fix="name the node with --node; a whole cluster keeps its volumes unless --data",
        )
    sys.exit(_reset(asked_of(given), data=data, yes=yes, dry_run=dry_run))


def _reset(asked: Asked, *, data: bool, yes: bool, dry_run: bool) -> int:
    from dataclasses import replace

    from picluster.cli import work
    from picluster.cli.terms import whoever_is_there
    from picluster.operations.reset import reset as everything

    site = asked.site
    scope, name = whoever_is_there(site.cluster, site.scope), site.cluster.name
    asked = replace(asked, site=replace(site, scope=scope))
    what = f"uninstall the cluster {name}" + (" and DELETE its volumes" if data else "")
    build = everything(data=data)
    return work.destroy(asked, "reset", build, name=name, what=what, yes=yes, dry_run=dry_run)


@command(config, "show")
def config_show(file: File = DEFAULT_FILE, json: Json = False) -> None:
    """Print every value in force, and where it comes from.

    That is a line of the file, or a default.
    """
    from picluster.cli import reading

    reading.show_config(file, as_json=json)


@command(app)
def schema() -> None:
    """Print the JSON Schema of the cluster file, for editors."""
    from picluster.cli import reading

    reading.show_schema()


@command(app)
def explain(
    field: Annotated[
        str | None, typer.Argument(help="A field, such as k3s.vip or nodes.ssh.user.")
    ] = None,
) -> None:
    """Say what a field of the cluster file means, or list them."""
    from picluster.cli import reading

    reading.explain(field)


@command(app)
def version() -> None:
    """Print picluster's version."""
    from picluster import __version__

    typer.echo(f"picluster {__version__}")


@command(known_hosts, "forget")
def known_hosts_forget(
    node: Annotated[str, typer.Argument(help="The node's name.")], file: File = DEFAULT_FILE
) -> None:
    """Forget a node's pinned host key, after its card was re-flashed."""
    from picluster.cli import reading

    reading.forget_host_key(file, node)


@command(app)
def logs(
    run: Annotated[str | None, typer.Argument(help="A run's name; the newest by default.")] = None,
    file: File = DEFAULT_FILE,
    list_: Annotated[bool, typer.Option("--list", help="List the recorded runs.")] = False,
    json: Json = False,
) -> None:
    """Show a recorded run and what the nodes printed."""
    from picluster.cli import reading

    reading.show_logs(file, run, list_runs=list_, as_json=json)


command(app)(doctor)
command(app)(report)
command(app)(support_bundle)
command(app)(ssh)
command(app, "exec")(exec_)
command(app)(kubeconfig)
command(app)(completion)
