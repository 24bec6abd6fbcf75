"""The `picluster registry` commands: what the cluster's registry holds, and removing the rest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.options import DryRun, OneByOne, Options, command

if TYPE_CHECKING:
    from picluster.cli.context import Asked

app = typer.Typer(
    help="Look into the cluster's own registry, and tidy it up.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@command(app, "list")
def list_(*, given: OneByOne) -> None:
    """List the registry's images: repository, tag, size and digest. Changes nothing."""
    from picluster.cli import work
    from picluster.operations.registry import images_of
    from picluster.ui import registry_view
    from picluster.ui.screen import show

    asked = _asked_of_its_node(given)
    images, site = work.look(asked, "registry-list", images_of), asked.site
    if given.json:
        work.print_json(registry_view.as_document(site.cluster.name, images, site.notices))
    else:
        show(registry_view.as_text(images, site.notices), sys.stdout)


@command(app)
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
    dry_run: DryRun = False,
    given: OneByOne,
) -> None:
    """Remove what no image uses from the registry's disk. Pushes are refused meanwhile."""
    from picluster.cli import work
    from picluster.operations.registry import collection

    asked, build = _asked_of_its_node(given), collection(untagged=untagged)
    sys.exit(work.operate(asked, "registry-gc", build, dry_run=dry_run))


def _asked_of_its_node(given: Options) -> Asked:
    from picluster.cli.context import invocation
    from picluster.cli.terms import limited
    from picluster.model import load
    from picluster.operations.registry import registry_of

    cluster = load(given.file).cluster
    return invocation(given, cluster, limited(cluster, [registry_of(cluster).node]))
