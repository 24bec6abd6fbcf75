"""The `picluster registry` commands: what the cluster's registry holds, and removing the rest."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from picluster.cli.options import DEFAULT_FILE, AcceptKeys, DryRun, File, Json, Verbose

app = typer.Typer(
    help="Look into the cluster's own registry, and tidy it up.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_(
    *,
    file: File = DEFAULT_FILE,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """List the registry's images: repository, tag, size and digest. Changes nothing."""
    from picluster.cli import work
    from picluster.cli.context import Choice, notices
    from picluster.model import load
    from picluster.operations.registry import images_in, listing, registry_of
    from picluster.ui import registry_view
    from picluster.ui.screen import show

    cluster = load(file).cluster
    home = registry_of(cluster).node
    choice = Choice(file, (home,), None, json, verbose, accept_new_host_keys)
    images = images_in(work.look(choice, "registry-list", listing))
    if json:
        work.print_json(registry_view.as_document(cluster.name, images, notices(file)))
    else:
        show(registry_view.as_text(images, notices(file)), sys.stdout)


@app.command()
def gc(
    *,
    untagged: Annotated[
        bool,
        typer.Option(
            "--untagged",
            help="Also remove images that no tag names; registry:2 takes parts of images for "
            "several architectures for such.",
        ),
    ] = False,
    file: File = DEFAULT_FILE,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Remove what no image uses from the registry's disk. Pushes are refused meanwhile."""
    from picluster.cli import work
    from picluster.cli.context import Choice
    from picluster.model import load
    from picluster.operations.registry import collection, registry_of
    from picluster.steps.registry.garbage import Freed
    from picluster.ui import registry_view
    from picluster.ui.screen import show

    home = registry_of(load(file).cluster).node
    choice = Choice(file, (home,), None, json, verbose, accept_new_host_keys)
    freed: list[Freed] = []
    build = collection(freed.append, untagged=untagged)
    if dry_run:
        sys.exit(work.show_operation(choice, build))
    status = work.operate(choice, "registry-gc", build)
    if freed and not json:
        show(registry_view.freed_text(freed[0]), sys.stdout)
    sys.exit(status)
