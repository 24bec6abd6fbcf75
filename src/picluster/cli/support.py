"""`picluster support-bundle`: one archive to attach to a bug report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.options import Plain

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The archive; picluster-support-CLUSTER-TIME.tar.gz."),
]


def support_bundle(*, output: Output = None, given: Plain) -> None:
    """Gather what a bug report needs, without secrets."""
    import platform
    import time
    from importlib.metadata import version

    from picluster.cli import work
    from picluster.cli.context import invocation
    from picluster.cli.terms import whoever_is_there
    from picluster.model import load
    from picluster.queries.support import gather, kinds, shareable, write_bundle
    from picluster.ui import config_view

    loaded = load(given.file)
    asked = invocation(given, loaded.cluster, whoever_is_there(loaded.cluster))
    files = work.glance(asked, "support-bundle", gather)
    names = ("picluster", "fabric", "paramiko", "pydantic", "kubernetes", "typer", "rich")
    versions = [f"python {platform.python_version()} on {platform.platform()}"]
    files["versions.txt"] = "\n".join([*versions, *(f"{n} {version(n)}" for n in names)]) + "\n"
    files["cluster.txt"] = config_view.as_text(shareable(loaded.rows()))
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    path = output or Path(f"picluster-support-{loaded.cluster.name}-{stamp}.tar.gz")
    for kind in kinds(files):
        print(f"in it: {kind}")
    print("a password in free text, under no name that tells of it, cannot be recognised there")
    write_bundle(path, files)
    for notice in asked.site.notices:
        print(f"NOTE: {notice}")
    for name in sorted(files):
        print(f"  {name}")
    print(f"{path}: passwords, tokens and keys were taken out; read it before you share it")
