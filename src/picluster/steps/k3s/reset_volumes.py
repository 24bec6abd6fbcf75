"""A cluster that is reset: which volumes go with it, and where those are that stay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from picluster.engine.step import Decision, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.volumes import Volume
from picluster.steps.k3s.uninstall import VOLUMES, Uninstalled
from picluster.steps.storage.stored_data import STORED, NotKnown, StoredData, users


@dataclass(frozen=True, slots=True)
class VolumesAtReset:
    """The user knows which volumes a reset deletes, and where those are that it leaves.

    `cleaned` is what nodes come to be, `data` says that volumes are to be deleted, `longhorn` where
    Longhorn's copies are, and `absent` are nodes that are left as they are.
    """

    cleaned: Uninstalled
    data: bool
    longhorn: str
    absent: Collection[str] = ()
    name: str = "volumes-at-reset"
    title: str = "it is known what becomes of every volume"

    def probe(self) -> StoredData:
        return STORED

    def decide(self, look: Look) -> Decision:
        """Name them; a cluster that is not there any more has none."""
        seen = look.read(STORED, CLUSTER)
        if isinstance(seen, NotKnown):
            there = any(each.traces.left for each in look.every(self.cleaned.probe()).values())
            said = f"which claims and applications the volumes are of is not known: {seen.why}"
            return Satisfied(warning=said if there else "")
        deleted = [each for each in seen.volumes if self._goes(each)]
        kept = [each for each in seen.volumes if each not in deleted]
        told = [f"--data DELETES {'; '.join(map(_placed, deleted))}"] if deleted else []
        told += [f"kept: {'; '.join(map(self._with_path, kept))}"] if kept else []
        return Satisfied(warning=". ".join(told))

    def _goes(self, volume: Volume) -> bool:
        own = volume.kind == "Longhorn" or volume.path.startswith(f"{VOLUMES}/")
        return self.data and own and not volume.nodes & set(self.absent)

    def _with_path(self, volume: Volume) -> str:
        path = self.longhorn if volume.kind == "Longhorn" else volume.path
        return f"{_placed(volume)} in {path}"


def _placed(volume: Volume) -> str:
    of = f", of {users(volume)}," if volume.applications else ""
    return f"{volume}{of} on {', '.join(sorted(volume.nodes)) or 'no node that is known'}"
