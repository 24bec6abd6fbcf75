"""`picluster report`: a recorded run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.options import DEFAULT_FILE, File

Run = Annotated[str | None, typer.Argument(help="A run's name; the newest by default.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file; report.html beside the journal.")
]


def report(*, run: Run = None, file: File = DEFAULT_FILE, output: Output = None) -> None:
    """Write a recorded run as one HTML page.

    It shows the cluster's topology, what each node did when, and what failed.
    """
    from importlib.metadata import version

    from picluster.cli.reading import recorded_run
    from picluster.errors import PiclusterError
    from picluster.local_files import write_keeping
    from picluster.model import load
    from picluster.ui.report.page import as_html
    from picluster.ui.report.story import tell
    from picluster.ui.report.topology import topology_of

    cluster = load(file).cluster
    chosen = recorded_run(cluster.name, run)
    html = as_html(chosen.name, tell(chosen.events()), topology_of(cluster), version("picluster"))
    path = output or chosen.directory / "report.html"
    try:
        kept = write_keeping(path, html, mode=0o600)
    except OSError as error:
        raise PiclusterError(
            "the report cannot be written",
            where=str(path),
            why=(error.strerror or str(error)).lower(),
            fix="name another file with --output",
        ) from None
    if kept:
        print(f"{kept}: what was in {path.name}")
    print(path)
