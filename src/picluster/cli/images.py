"""The `picluster images` commands: what `up` needs from the internet, and all of it on a disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.options import AsText, OneByOne, command

app = typer.Typer(
    help="List its images, or save all for nodes without internet.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_ARCHITECTURES = ("amd64", "arm64")
Arch = Annotated[
    list[str] | None,
    typer.Option(
        "--arch",
        help="The nodes' processors: arm64 (the default) or amd64; may be repeated, that of the "
        "registry's node first.",
    ),
]


@command(app, "list")
def list_(*, arch: Arch = None, given: OneByOne) -> None:
    """List every image that the cluster file leads to, with the reason. Asks no node."""
    from picluster.cli import work
    from picluster.model import load
    from picluster.paths import kept_of
    from picluster.queries.images import listed
    from picluster.ui import images_view
    from picluster.ui.screen import show

    cluster = load(given.file).cluster
    found = listed(cluster, kept_of(cluster.name).cache, _platforms(arch), _say)
    if given.json:
        work.print_json(images_view.as_document(cluster.name, found))
    else:
        show(images_view.as_text(found), sys.stdout)


@command(app)
def save(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Where to: k3s.airgap_dir of the cluster.")
    ],
    *,
    arch: Arch = None,
    given: AsText,
) -> None:
    """Save all that `up` needs from the internet: K3s, charts, manifests and every image.

    What is there and whole is not fetched again. Debian's packages are not among it.
    """
    from picluster.cli.context import asked_of_whoever_is_there
    from picluster.operations.saving import Saving
    from picluster.ui import images_view
    from picluster.ui.screen import show

    asked = asked_of_whoever_is_there(given)
    saving = Saving(asked.site, directory.absolute(), _platforms(arch), _say)
    try:
        failures = saving.run()
    finally:
        asked.site.abort()
    show(images_view.saved_text(str(directory), len(saving.sums), failures), sys.stdout)
    sys.exit(1 if failures else 0)


def _platforms(given: list[str] | None) -> tuple[str, ...]:
    from picluster.errors import UsageError

    wanted = tuple(dict.fromkeys(given or ["arm64"]))
    for each in wanted:
        if each not in _ARCHITECTURES:
            raise UsageError(
                f"there is no K3s for {each!r}", fix=f"--arch is {' or '.join(_ARCHITECTURES)}"
            )
    return wanted


def _say(line: str) -> None:
    from picluster.ui.words import safe

    print(safe(line), file=sys.stderr, flush=True)
