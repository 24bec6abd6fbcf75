"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[
    Path,
    typer.Option(
        "--file", "-f", envvar="PICLUSTER_FILE", help="The cluster file.", show_default=True
    ),
]
Limit = Annotated[
    list[str] | None, typer.Option("--limit", help="Change this node only; may be repeated.")
]
First = Annotated[str | None, typer.Option("--from", help="The first phase to run.")]
Last = Annotated[str | None, typer.Option("--until", help="The last phase to run.")]
Parallel = Annotated[
    int | None,
    typer.Option("--parallel", min=1, help="Nodes to connect to at once [limits.parallel]."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, documented in docs/.")]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Tell more; -vv adds tracebacks.")
]
AcceptKeys = Annotated[
    bool,
    typer.Option("--accept-new-host-keys", help="Trust and pin host keys at first contact."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Data = Annotated[
    bool, typer.Option("--data", help="Delete volumes too; they are named with sizes first.")
]
Force = Annotated[
    bool,
    typer.Option("--force-conflicts", help="Take over fields of objects that others have set."),
]
Format = Annotated[
    list[str] | None,
    typer.Option("--format-disk", help="NODE:DEVICE whose data may be DELETED; may be repeated."),
]
LoseVolume = Annotated[
    list[str] | None,
    typer.Option(
        "--lose-volume",
        help="NAMESPACE/CLAIM that only this node has, and that is given up; may be repeated.",
    ),
]
KeepVolume = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-volume",
        help="NAMESPACE/CLAIM that only this node has, and that waits for it; may be repeated.",
    ),
]

DEFAULT_FILE = Path("cluster.yaml")
