"""What the cluster's registry holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from picluster.steps.registry.contents import StoredImage
from picluster.steps.registry.garbage import Freed
from picluster.steps.sizes import size_text
from picluster.ui.words import count, safe

FORMAT = 1
_SHORT = 19  # of a digest: `sha256:` and twelve digits


def as_text(images: Sequence[StoredImage], notices: Sequence[str] = ()) -> str:
    """Return one line for each image, and a line that sums them up."""
    rows = [(f"{each.repository}:{each.tag}", size_text(each.size), each.digest) for each in images]
    width = max((len(name) for name, _, _ in rows), default=0)
    lines = [f"{name:<{width}}  {bytes_:>8}  {digest[:_SHORT]}" for name, bytes_, digest in rows]
    repositories = len({each.repository for each in images})
    words = f"{count(len(images), 'image')} in {count(repositories, 'repository', 'repositories')}"
    return safe("\n".join([*lines, words, *(f"NOTE: {notice}" for notice in notices)])) + "\n"


def as_document(
    cluster: str, images: Sequence[StoredImage], notices: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the same as plain data; docs/schemas/registry.json describes it."""
    return {
        "picluster": FORMAT,
        "cluster": cluster,
        "notices": list(notices),
        "images": [
            {
                "repository": each.repository,
                "tag": each.tag,
                "digest": each.digest,
                "size": each.size,
            }
            for each in images
        ],
    }


def freed_text(freed: Freed) -> str:
    """Return what a collection brought."""
    return f"freed {size_text(freed.size)}; the registry takes {size_text(freed.after)} now\n"
