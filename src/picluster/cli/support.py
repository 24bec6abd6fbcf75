"""`picluster support-bundle`: one archive to attach to a bug report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.options import DEFAULT_FILE, AcceptKeys, File, Parallel

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The archive; picluster-support-CLUSTER-TIME.tar.gz."),
]


def support_bundle(
    *,
    file: File = DEFAULT_FILE,
    output: Output = None,
    parallel: Parallel = None,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Gather what a bug report needs, without secrets."""
    import platform
    import time
    from importlib.metadata import version

    from picluster.cli.context import Choice, every_node, site_for
    from picluster.cli.interrupt import ending_at_once
    from picluster.model import load
    from picluster.queries.support import gather, kinds, shareable, write_bundle
    from picluster.ui import config_view

    choice = Choice(file, (), parallel, False, 0, accept_new_host_keys, every_node(file))
    with site_for(choice, "support-bundle", progress=False) as (site, _):
        with ending_at_once(site.abort):
            files = gather(site)
        names = ("picluster", "fabric", "paramiko", "pydantic", "kubernetes", "typer", "rich")
        versions = [f"python {platform.python_version()} on {platform.platform()}"]
        files["versions.txt"] = "\n".join([*versions, *(f"{n} {version(n)}" for n in names)]) + "\n"
        files["cluster.txt"] = config_view.as_text(shareable(load(file).rows()))
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        path = output or Path(f"picluster-support-{site.cluster.name}-{stamp}.tar.gz")
        for kind in kinds(files):
            print(f"in it: {kind}")
        print("a password in free text, under no name that tells of it, cannot be recognised there")
        write_bundle(path, files)
        for notice in site.notices:
            print(f"NOTE: {notice}")
    for name in sorted(files):
        print(f"  {name}")
    print(f"{path}: passwords, tokens and keys were taken out; read it before you share it")
