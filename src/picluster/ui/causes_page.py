"""docs/causes.md, made from the tables of causes: `python -m picluster.ui.causes_page FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from picluster.causes.cause import Cause
from picluster.causes.etcd import DATABASE
from picluster.causes.images import IMAGES
from picluster.causes.k3s import JOINING, SETTINGS
from picluster.causes.machine import MACHINE
from picluster.causes.packages import PACKAGES
from picluster.causes.pods import PODS
from picluster.causes.scheduling import SCHEDULING
from picluster.causes.sudo import SUDO

_HEAD = """\
# Causes that picluster knows

What K3s, etcd, containerd, Longhorn, kube-vip, apt and sudo say when they fail is translated: the
message of a failure has one of these as its `why:` and `fix:`, and what the program itself said
below it. A wait ends early where waiting longer is in vain; what may pass by itself (*) is told,
and waited for. In a message, the node's own name stands for `NODE`.

This page is made by `make docs`; a test keeps it current.
"""
CHAPTERS = {
    "K3s does not join": JOINING,
    "K3s is told what it does not understand": SETTINGS,
    "The cluster's database": DATABASE,
    "The machine": MACHINE,
    "An image cannot be had": IMAGES,
    "A pod finds no node": SCHEDULING,
    "A pod does not run": PODS,
    "Packages cannot be installed": PACKAGES,
    "sudo": SUDO,
}


def page() -> str:
    """Return the page: a chapter for each table."""
    return "\n".join([_HEAD, *(_chapter(title, causes) for title, causes in CHAPTERS.items())])


def _chapter(title: str, causes: Iterable[Cause]) -> str:
    rows = [f"| {_cause(each)} | {each.fix} |" for each in dict.fromkeys(causes)]
    return "\n".join([f"## {title}", "", "| `why:` | `fix:` |", "|---|---|", *rows, ""])


def _cause(cause: Cause) -> str:
    return f"{cause.why} (*)" if cause.passing else cause.why


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
