"""The `picluster` command."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli import lab, node, registry, snapshot
from picluster.cli.doctor import doctor
from picluster.cli.image import image
from picluster.cli.init import init
from picluster.cli.options import (
    DEFAULT_FILE,
    AcceptKeys,
    Data,
    DryRun,
    File,
    First,
    Force,
    Format,
    Json,
    KeepVolume,
    Last,
    Limit,
    LoseVolume,
    Parallel,
    Verbose,
    Yes,
)
from picluster.cli.remote import completion, exec_, kubeconfig, ssh
from picluster.cli.report import report
from picluster.cli.support import support_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from picluster.cli.context import Choice
    from picluster.site import Consents

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
    help="The host keys that are pinned for a cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(config, name="config")
app.add_typer(known_hosts, name="known-hosts")
app.add_typer(node.app, name="node")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(registry.app, name="registry")
app.add_typer(lab.app, name="lab")


app.command()(init)
app.command()(image)


@app.command()
def up(
    *,
    file: File = DEFAULT_FILE,
    limit: Limit = None,
    first: First = None,
    last: Last = None,
    parallel: Parallel = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    format_disk: Format = None,
    force_conflicts: Force = False,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Make the cluster what the file says. Run it as often as you like."""
    from picluster.cli import work
    from picluster.cli.context import Choice

    choice = Choice(file, limit or (), parallel, json, verbose, accept_new_host_keys)
    choice = replace(choice, consents=_consents(file, format_disk, force_conflicts))
    phases = work.phases_between(first, last)
    sys.exit(work.show_plan(choice, phases) if dry_run else work.up(choice, "up", phases))


@app.command()
def plan(
    *,
    file: File = DEFAULT_FILE,
    limit: Limit = None,
    first: First = None,
    last: Last = None,
    parallel: Parallel = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 2 if there is something to do.")
    ] = False,
    json: Json = False,
    verbose: Verbose = 0,
    format_disk: Format = None,
    force_conflicts: Force = False,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Show what `up` would do, with reasons and differences. Changes nothing anywhere."""
    from picluster.cli import work
    from picluster.cli.context import Choice

    choice = Choice(file, limit or (), parallel, json, verbose, accept_new_host_keys)
    choice = replace(choice, consents=_consents(file, format_disk, force_conflicts))
    pending = work.show_plan(choice, work.phases_between(first, last), exit_code=exit_code)
    sys.exit(pending)


@app.command()
def diff(
    *,
    file: File = DEFAULT_FILE,
    limit: Limit = None,
    first: First = None,
    last: Last = None,
    parallel: Parallel = None,
    verbose: Verbose = 0,
    format_disk: Format = None,
    force_conflicts: Force = False,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Show every file that `up` would write, line by line."""
    from picluster.cli import work
    from picluster.cli.context import Choice

    choice = Choice(file, limit or (), parallel, False, verbose, accept_new_host_keys)
    choice = replace(choice, consents=_consents(file, format_disk, force_conflicts))
    sys.exit(work.show_diff(choice, work.phases_between(first, last)))


@app.command()
def phase(
    name: Annotated[str, typer.Argument(help="The phase: prepare, k3s, ...; or an operation.")],
    *,
    yes: Yes = False,
    data: Data = False,
    file: File = DEFAULT_FILE,
    limit: Limit = None,
    parallel: Parallel = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    format_disk: Format = None,
    force_conflicts: Force = False,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Run one phase of `up` alone. `reset`, `restart`, `upgrade` and `validate` work here too."""
    from picluster.cli import work
    from picluster.cli.context import Choice

    choice = Choice(file, limit or (), parallel, json, verbose, accept_new_host_keys)
    choice = replace(choice, consents=_consents(file, format_disk, force_conflicts))
    if name == "reset":
        sys.exit(_reset(choice, data=data, yes=yes, dry_run=dry_run))
    if name == "restart":
        sys.exit(_restart(choice, dry_run=dry_run))
    if name == "upgrade":
        sys.exit(_upgrade(choice, dry_run=dry_run))
    if name == "validate":
        sys.exit(work.validate(choice))
    phases = work.phases_between(name, name)
    run = work.show_plan if dry_run else work.run_phases
    sys.exit(run(choice, phases))


def _consents(file: Path, format_disk: list[str] | None, force_conflicts: bool) -> Consents:
    from picluster.cli.context import consents

    return consents(file, format_disk or (), force_conflicts=force_conflicts)


@app.command()
def deploy(
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Make anew what is broken first; volumes stay.")
    ] = False,
    file: File = DEFAULT_FILE,
    parallel: Parallel = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    force_conflicts: Force = False,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Deploy OpenTAKServer and your applications.

    With --fix, what is broken is made anew first.
    """
    from picluster.cli import work
    from picluster.cli.context import Choice
    from picluster.phases.deploy import repair

    choice = Choice(file, (), parallel, json, verbose, accept_new_host_keys)
    choice = replace(choice, consents=_consents(file, None, force_conflicts))
    if not fix:
        run = work.show_plan if dry_run else work.run_phases
        sys.exit(run(choice, work.phases_between("deploy", "deploy")))
    operate = work.show_operation if dry_run else partial(work.operate, command="deploy")
    sys.exit(operate(choice, build=lambda site, _: [repair(site)]))


@app.command()
def credentials(
    *,
    file: File = DEFAULT_FILE,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Show where the applications are, and their passwords."""
    from picluster.cli import work
    from picluster.cli.context import Choice, every_node

    optional = every_node(file)
    choice = Choice(file, (), None, json, verbose, accept_new_host_keys, optional)
    sys.exit(work.show_credentials(choice))


@app.command()
def validate(
    *,
    file: File = DEFAULT_FILE,
    parallel: Parallel = None,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Check the file, the nodes, and the cluster. Changes nothing anywhere."""
    from picluster.cli import work
    from picluster.cli.context import Choice

    choice = Choice(file, (), parallel, json, verbose, accept_new_host_keys)
    sys.exit(work.validate(choice))


@app.command()
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds.")] = False,
    file: File = DEFAULT_FILE,
    parallel: Parallel = None,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Show how the cluster is. Exits with 0 only if all nodes are there and Ready."""
    from picluster.cli import work
    from picluster.cli.context import Choice, every_node

    optional = every_node(file)
    choice = Choice(file, (), parallel, json, verbose, accept_new_host_keys, optional)
    sys.exit(work.watch_status(choice, 5.0) if watch else work.status(choice))


@app.command()
def restart(
    *,
    node: Annotated[
        list[str] | None, typer.Option("--node", help="Restart this node only; may be repeated.")
    ] = None,
    file: File = DEFAULT_FILE,
    parallel: Parallel = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Restart K3s everywhere, one server at a time.

    Each is Ready and voting again before the next.
    """
    from picluster.cli.context import Choice

    choice = Choice(file, node or (), parallel, json, verbose, accept_new_host_keys)
    sys.exit(_restart(choice, dry_run=dry_run))


def _restart(choice: Choice, *, dry_run: bool) -> int:
    from picluster.cli import work
    from picluster.operations.restart import restart as build

    operate = work.show_operation if dry_run else partial(work.operate, command="restart")
    return operate(choice, build=build)


@app.command()
def upgrade(
    *,
    file: File = DEFAULT_FILE,
    limit: Limit = None,
    parallel: Parallel = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Bring K3s to the file's version, node after node.

    Servers go one at a time, drained; then agents.
    """
    from picluster.cli.context import Choice

    choice = Choice(file, limit or (), parallel, json, verbose, accept_new_host_keys)
    sys.exit(_upgrade(choice, dry_run=dry_run))


def _upgrade(choice: Choice, *, dry_run: bool) -> int:
    from picluster.cli import work
    from picluster.operations.upgrade import upgrade as upgraded

    operate = work.show_operation if dry_run else partial(work.operate, command="upgrade")
    return operate(choice, build=upgraded)


@app.command()
def reset(
    *,
    node: Annotated[
        str | None, typer.Option("--node", help="Take this one node out of the cluster instead.")
    ] = None,
    yes: Yes = False,
    data: Data = False,
    lose_volume: LoseVolume = None,
    keep_volume: KeepVolume = None,
    file: File = DEFAULT_FILE,
    parallel: Parallel = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Uninstall the cluster from every node. Volumes stay, unless --data is given."""
    from picluster.cli.context import Choice, volume_consents
    from picluster.cli.node import leave
    from picluster.errors import UsageError
    from picluster.steps.storage.only_copies import NOTHING_NAMED

    said = volume_consents(lose_volume or (), keep_volume or ())
    if node is not None:
        choice = Choice(file, (node,), parallel, json, verbose, accept_new_host_keys, (node,))
        choice = replace(choice, consents=said)
        sys.exit(leave(choice, node, command="reset", data=data, yes=yes, dry_run=dry_run))
    if said.volumes != NOTHING_NAMED:
        raise UsageError(
            "--lose-volume and --keep-volume are about the volumes of one node",
            fix="name the node with --node; a whole cluster keeps its volumes unless --data",
        )
    choice = Choice(file, (), parallel, json, verbose, accept_new_host_keys)
    sys.exit(_reset(choice, data=data, yes=yes, dry_run=dry_run))


def _reset(choice: Choice, *, data: bool, yes: bool, dry_run: bool) -> int:
    from picluster.cli import work
    from picluster.cli.context import every_node
    from picluster.model import load
    from picluster.operations.reset import reset as everything

    cluster = load(choice.file).cluster
    choice = replace(choice, optional=every_node(choice.file))
    build = everything(data=data)
    if dry_run:
        return work.show_operation(choice, build)
    what = f"uninstall the cluster {cluster.name}" + (" and DELETE its volumes" if data else "")
    return work.destroy(choice, "reset", build, name=cluster.name, what=what, yes=yes)


@config.command("show")
def config_show(file: File = DEFAULT_FILE, json: Json = False) -> None:
    """Print every value in force, and where it comes from.

    That is a line of the file, or a default.
    """
    from picluster.cli import reading

    reading.show_config(file, as_json=json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the cluster file, for editors."""
    from picluster.cli import reading

    reading.show_schema()


@app.command()
def explain(
    field: Annotated[
        str | None, typer.Argument(help="A field, such as k3s.vip or nodes.ssh.user.")
    ] = None,
) -> None:
    """Say what a field of the cluster file means, or list them."""
    from picluster.cli import reading

    reading.explain(field)


@app.command()
def version() -> None:
    """Print picluster's version."""
    from picluster import __version__

    typer.echo(f"picluster {__version__}")


@known_hosts.command("forget")
def known_hosts_forget(
    node: Annotated[str, typer.Argument(help="The node's name.")], file: File = DEFAULT_FILE
) -> None:
    """Forget a node's pinned host key, after its card was re-flashed."""
    from picluster.cli import reading

    reading.forget_host_key(file, node)


@app.command()
def logs(
    run: Annotated[str | None, typer.Argument(help="A run's name; the newest by default.")] = None,
    file: File = DEFAULT_FILE,
    list_: Annotated[bool, typer.Option("--list", help="List the recorded runs.")] = False,
    json: Json = False,
) -> None:
    """Show a recorded run and what the nodes printed."""
    from picluster.cli import reading

    reading.show_logs(file, run, list_runs=list_, as_json=json)


app.command()(doctor)
app.command()(report)
app.command()(support_bundle)
app.command()(ssh)
app.command("exec")(exec_)
app.command()(kubeconfig)
app.command()(completion)
