"""`picluster image`: what a freshly flashed card needs to boot ready for `up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.options import DEFAULT_FILE, File

Node = Annotated[str, typer.Argument(help="The node that the card is for.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The card's boot partition, or any directory; first-boot/NODE."
    ),
]


def image(node: Node, *, file: File = DEFAULT_FILE, output: Output = None) -> None:
    """Write what a fresh card needs to boot ready for `up`.

    These are cloud-init's files: name, user, key, memory cgroup.
    """
    from picluster.errors import ConfigInvalid
    from picluster.firstboot.card import write_card
    from picluster.firstboot.cloud_init import meta_data, user_data
    from picluster.model import load
    from picluster.steps.access.own_key import default_key, public_key

    cluster = load(file).cluster
    wanted = cluster.node(node)
    ssh = cluster.ssh_for(wanted)
    if ssh.user is None:
        raise ConfigInvalid(
            f"nobody says which user {node} is to have",
            where=str(file),
            fix="add `ssh: {user: pi}` to the cluster file",
        )
    public = public_key(ssh.key or default_key(Path.home() / ".ssh"))
    said = user_data(cluster, wanted, ssh.user, public)
    files = {"user-data": said, "meta-data": meta_data(cluster, wanted, said)}
    for line in write_card(output or Path("first-boot") / node, files):
        print(line)
    print(f"next: boot {node} with them on its boot partition, then picluster up")
