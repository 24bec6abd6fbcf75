"""Data that one node alone has, when that node leaves for good: nothing of it is lost unasked.

Kubernetes would let an application wait for ever for a volume whose node is gone, or start it with
an empty directory, without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Change, Decision, Risk, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.claims import give_up
from picluster.kube.reach import api_of
from picluster.kube.volumes import Volume
from picluster.steps.storage.stored_data import STORED, NotKnown, StoredData, only_on, users

if TYPE_CHECKING:
    from picluster.engine.place import Place


@dataclass(frozen=True, slots=True)
class VolumeConsents:
    """What the user said about volumes, by name: given up, or kept for when the node is back."""

    lose: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()

    def unnamed(self, volumes: Iterable[Volume]) -> list[Volume]:
        """Return the volumes that nothing was said about."""
        return [each for each in volumes if each.name not in self.lose | self.keep]


NOTHING_NAMED = VolumeConsents()


@dataclass(frozen=True, slots=True)
class LossesNamed:
    """No application loses its only data with a node unless the user named its volume.

    `former` is how a machine is called that is no more: what it had is gone already.
    """

    node: str
    consents: VolumeConsents
    former: str = ""
    name: str = "losses-named"

    @property
    def title(self) -> str:
        return f"nothing that only {self.node} has is lost unasked"

    def probe(self) -> StoredData:
        return STORED

    def decide(self, look: Look) -> Decision:
        seen = look.read(STORED, CLUSTER)
        if isinstance(seen, NotKnown):
            return Blocked(
                f"which volumes only {self.node} has is not known: {seen.why}",
                "bring a majority of the servers up first; `journalctl -u k3s` on each says more",
            )
        volumes = seen.only_on(self.node)
        unnamed = self.consents.unnamed(volumes)
        if unnamed:
            return Blocked(
                "; ".join(self._loss(volume) for volume in unnamed),
                _options(self.node, unnamed, gone=bool(self.former)),
            )
        waiting = [
            f"{each.name} stays bound to {self.node}: {users(each) or 'what uses it'} waits until "
            "the data is back on a node of that name"
            for each in volumes
            if each.name in self.consents.keep
        ]
        return Satisfied(warning="; ".join(waiting))

    def _loss(self, volume: Volume) -> str:
        has = f"{self.former} had" if self.former else f"{self.node} has"
        return f"{has} the only copy of {volume}; {_consequence(volume, gone=bool(self.former))}"


def _consequence(volume: Volume, *, gone: bool) -> str:
    if not volume.applications:
        return "no pod uses it now"
    if gone:
        return f"{users(volume)} would wait for it, or start on an empty directory"
    if volume.bound:
        return f"{users(volume)} could not start on any other node"
    return f"{users(volume)} would start elsewhere without it"


def _options(node: str, volumes: Sequence[Volume], *, gone: bool) -> str:
    names = list(dict.fromkeys(volume.name for volume in volumes))
    lose = " ".join(f"--lose-volume {quote(name)}" for name in names)
    keep = " ".join(f"--keep-volume {quote(name)}" for name in names)
    first = "" if gone else "copy what you need of it first; then "
    back = f"its disk is in {node} again" if gone else f"a {node} with that data comes back"
    return (
        f"{first}give it up with `{lose}`: its claim is made anew, and the application starts "
        f"with nothing; or, if {back}, leave it bound with `{keep}`"
    )


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The claims of volumes that went with a node, and that the user gave up, are made anew."""

    node: str
    consents: VolumeConsents
    name: str = "volumes-given-up"

    @property
    def title(self) -> str:
        return f"no claim that was given up is bound to {self.node}"

    def probe(self) -> StoredData:
        return STORED

    def decide(self, look: Look) -> Decision:
        lost = [
            volume
            for volume in only_on(look, self.node)
            if volume.name in self.consents.lose and volume.persistent_volume and volume.bound
        ]
        if not lost:
            return Satisfied()
        return Change(
            f"give up {', '.join(map(str, lost))}",
            tuple(map(_giving_up, lost)),
            reason="; ".join(
                f"--lose-volume names {volume.name}"
                + (f": {users(volume)} starts anew, empty" if volume.applications else "")
                for volume in lost
            ),
            risk=Risk.DATA_LOSS,
        )


@dataclass(frozen=True, slots=True)
class GiveVolumeUp:
    """Delete a volume, and make its claim anew; see `kube.claims.give_up`."""

    claim: tuple[str, str] | None
    persistent_volume: str

    @property
    def title(self) -> str:
        if self.claim is None:
            return f"deleting the volume {self.persistent_volume}"
        return f"making the claim {'/'.join(self.claim)} anew"

    def perform(self, place: Place) -> None:
        give_up(api_of(place.tools), self.claim, self.persistent_volume, place.progress)


def _giving_up(volume: Volume) -> GiveVolumeUp:
    """Longhorn deletes its volume itself, once nobody claims it."""
    its_own = volume.kind == "Longhorn" and volume.claim is not None
    return GiveVolumeUp(volume.claim, "" if its_own else volume.persistent_volume)
