"""Which images a cluster file leads to, and what came of saving them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from picluster.apps.needed_images import WantedImage
from picluster.errors import PiclusterError
from picluster.ui.words import count, safe

FORMAT = 1


def as_text(images: Sequence[WantedImage]) -> str:
    """Return one line for each image, with the reason and who has to have it."""
    width = max((len(each.image) for each in images), default=0)
    why = max((len(each.why) for each in images), default=0)
    lines = [f"{each.image:<{width}}  {each.why:<{why}}  {each.use.value}" for each in images]
    return safe("\n".join([*lines, count(len(images), "image")])) + "\n"


def as_document(cluster: str, images: Sequence[WantedImage]) -> dict[str, Any]:
    """Return the same as plain data; docs/schemas/images.json describes it."""
    return {
        "picluster": FORMAT,
        "cluster": cluster,
        "images": [
            {
                "image": each.image,
                "why": each.why,
                "platforms": list(each.platforms),
                "use": each.use.name.lower(),
            }
            for each in images
        ],
    }


def saved_text(directory: str, files: int, failures: Sequence[PiclusterError]) -> str:
    """Return what is in the directory now, and what is not, with the way to get it."""
    lines = [str(each) for each in failures]
    whole = f"everything is in {directory}: {count(files, 'file')}; "
    whole += "`sha256sum -c SHA256SUMS` there checks them"
    lacking = f"NOT whole: {directory} lacks {count(len(failures), 'thing')}, named above"
    return safe("\n".join([*lines, lacking if failures else whole])) + "\n"
