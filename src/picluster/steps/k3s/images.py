"""Images out of an air-gap directory are on the node, where K3s takes them from.

K3s imports what lies in agent/images when it starts, since 1.32 also while it runs, and keeps the
kubelet from removing it (https://docs.k3s.io/import-images).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.steps.k3s import paths
from picluster.steps.k3s.state import STATE
from picluster.steps.saved_images import AirGap
from picluster.steps.spread import Spread

_PREFIX = "picluster-"
_SHORT = 12


ARCHIVES = ShellProbe(
    "k3s-image-archives",
    f"for each in {paths.IMAGES_DIR}/{_PREFIX}*.tar; do\n"
    '  if [ -f "$each" ]; then echo "archive=${each##*/}"; fi\ndone\n',
    lambda seen: frozenset(seen.every("archive")),
)
"""The names of the archives that picluster has put there; they tell their content's digest."""


@dataclass(frozen=True, slots=True)
class NodeImage:
    """An archive of an image on this computer, and its digest."""

    path: Path
    sha256: str

    @property
    def there(self) -> str:
        """What it is called on a node: another content is another file."""
        return f"{_PREFIX}{self.path.stem}-{self.sha256[:_SHORT]}.tar"


def node_images(saved: AirGap, platform: str, left_out: frozenset[str]) -> tuple[NodeImage, ...]:
    """Return the archives for nodes of a platform, but for files of these names."""
    inside = f"images/{platform}/"
    return tuple(
        NodeImage(saved.directory / name, digest)
        for name, digest in sorted(saved.sums.items())
        if name.startswith(inside) and name.removeprefix(inside) not in left_out
    )


def _archives(number: int) -> str:
    return f"{number} archive{'s' if number != 1 else ''}"


@dataclass(frozen=True, slots=True)
class ImagesThere:
    """The node has the archives of the directory, and none of former ones."""

    saved: AirGap
    left_out: frozenset[str] = frozenset()
    name: str = ARCHIVES.name
    title: str = "the images of the air-gap directory are on the node"

    def probe(self) -> ShellProbe[frozenset[str]]:
        return ARCHIVES

    def decide(self, look: Look) -> Decision:
        there = look.read(ARCHIVES)
        wanted = {
            each.there: each
            for each in node_images(self.saved, look.read(STATE).arch, self.left_out)
        }
        missing = [each for name, each in wanted.items() if name not in there]
        stale = sorted(there - wanted.keys())
        if not missing and not stale:
            return Satisfied(detail=_archives(len(wanted)))
        removal = " ".join(quote(f"{paths.IMAGES_DIR}/{name}") for name in stale)
        said = [f"send {_archives(len(missing))} of images"] if missing else []
        return Change(
            " and ".join([*said, *([f"remove {len(stale)} of former ones"] if stale else [])]),
            (
                *([Run(f"rm -f {removal}")] if stale else []),
                *(
                    Spread(each.path, f"{paths.IMAGES_DIR}/{each.there}", each.sha256)
                    for each in missing
                ),
            ),
            reason="the node can pull none of them",
        )
