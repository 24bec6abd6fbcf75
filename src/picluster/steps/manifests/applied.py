"""Objects are in the cluster as their manifests say, and those that left the manifests are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from picluster.engine.place import Place, Tools
from picluster.engine.step import Blocked, Change, Decision, Diff, Satisfied
from picluster.engine.survey import Look
from picluster.kube.errors import ApiUnavailable
from picluster.kube.reach import api_of
from picluster.steps.manifests.component import ObjectSeen, Part, PartSeen
from picluster.steps.manifests.inventory import parts_applied
from picluster.steps.manifests.objects import Identity

_STAYS = "no longer in the file; it stays, for data hangs on it"


@dataclass(frozen=True, slots=True)
class ComparePart:
    """How the objects of a part differ from their manifests. It may show what is secret."""

    name: str
    part: Part
    secret: bool = True

    def ask(self, tools: Tools) -> PartSeen:
        return self.part.look(tools)


@dataclass(frozen=True, slots=True)
class ApplyPart:
    """Apply the objects of a part, and delete those that left it."""

    part: Part

    @property
    def title(self) -> str:
        return f"applying {self.part.name}"

    def perform(self, place: Place) -> None:
        """Do it. Raises `ActionFailed`."""
        self.part.apply(place)


@dataclass(frozen=True, slots=True)
class ObjectsApplied:
    """The cluster has the objects of a part, with every field that their manifests set.

    Objects of the part that are no longer among them are deleted, but for those that hold data.
    """

    name: str
    title: str
    part: Part

    def probe(self) -> ComparePart:
        return ComparePart(self.name, self.part)

    def decide(self, look: Look) -> Decision:
        seen = look.read(self.probe())
        if seen.unknown:
            return self._change(f"apply {self.part.name}", seen.unknown, PartSeen())
        conflicts = [
            f"{each.which}: {conflict}" for each in seen.objects for conflict in each.conflicts
        ]
        if conflicts:
            return Blocked(
                "; ".join(conflicts),
                "leave those fields out, or take them over with --force-conflicts",
            )
        fresh = [each for each in seen.objects if each.fresh]
        changed = [each for each in seen.objects if each.changes and not each.fresh]
        if not (fresh or changed or seen.stale):
            names = ", ".join(map(str, seen.kept))
            left = f"no longer in the file, and left because data hangs on it: {names}"
            warned = [each for each in (left if names else "", self.part.warning) if each]
            return Satisfied(warning="; ".join(warned))
        summary = _summary(self.part.name, fresh, changed, seen.stale)
        return self._change(summary, _reason(fresh, changed, seen.stale), seen)

    def _change(self, summary: str, reason: str, seen: PartSeen) -> Change:
        lines = list(_lines(seen))
        return Change(
            summary,
            (ApplyPart(self.part),),
            reason=f"{reason}; {self.part.warning}" if self.part.warning else reason,
            diff=Diff("", "\n".join(lines)) if lines else None,
        )


def _lines(seen: PartSeen) -> Iterator[str]:
    for each in seen.objects:
        if each.fresh:
            yield f"{each.which}: new"
        yield from (f"{each.which}: {change}" for change in each.changes if not each.fresh)
    yield from (f"{each}: no longer in the file; delete it" for each in seen.stale)
    yield from (f"{each}: {_STAYS}" for each in seen.kept)


def _reason(
    fresh: Sequence[ObjectSeen], changed: Sequence[ObjectSeen], stale: Sequence[Identity]
) -> str:
    if changed:
        return "differs: " + ", ".join(str(each.which) for each in changed)
    return "not in the cluster yet" if fresh else f"no longer in the file: {_named(stale)}"


def _summary(
    part: str, fresh: Sequence[ObjectSeen], changed: Sequence[ObjectSeen], stale: Sequence[Identity]
) -> str:
    parts = [
        f"{verb} {len(which)}"
        for verb, which in (("create", fresh), ("change", changed), ("delete", stale))
        if which
    ]
    return f"{part}: {', '.join(parts)} {_objects(len(fresh) + len(changed) + len(stale))}"


def _objects(count: int) -> str:
    return "object" if count == 1 else "objects"


def _named(which: Sequence[Identity]) -> str:
    return ", ".join(map(str, which))


# ------------------------------------------------------------------ parts that left the file


@dataclass(frozen=True, slots=True)
class Nothing:
    """The source of a part that has left the file."""

    def __call__(self, tools: Tools) -> tuple[()]:
        """Return no manifests."""
        return ()


@dataclass(frozen=True, slots=True)
class PartsLeft:
    """What is in the cluster of parts that nobody asks for any more, by part."""

    name: str
    asked_for: frozenset[str]
    secret: bool = False

    def ask(self, tools: Tools) -> dict[str, PartSeen]:
        """Look for it; nothing while the cluster does not answer."""
        try:
            return {part.name: part.look(tools) for part in self.parts(tools)}
        except ApiUnavailable:
            return {}

    def parts(self, tools: Tools) -> list[Part]:
        """Return the parts. Raises `ApiUnavailable`."""
        gone = [part for part in parts_applied(api_of(tools)) if part not in self.asked_for]
        return [Part(part, Nothing()) for part in gone]


@dataclass(frozen=True, slots=True)
class RemoveParts:
    """Delete what is left of parts that nobody asks for any more, except for what holds data."""

    left: PartsLeft
    names: str

    @property
    def title(self) -> str:
        return f"removing {self.names}"

    def perform(self, place: Place) -> None:
        """Do it. Raises `ApiUnavailable`."""
        for part in self.left.parts(place.tools):
            part.apply(place)


@dataclass(frozen=True, slots=True)
class PartsGone:
    """Applications that left the cluster file leave the cluster, except for what holds data.

    `asked_for` are those of the file, and the parts that picluster manages otherwise: they stay.
    """

    name: str
    title: str
    asked_for: frozenset[str]

    def probe(self) -> PartsLeft:
        return PartsLeft(self.name, self.asked_for)

    def decide(self, look: Look) -> Decision:
        seen = look.read(self.probe())
        lines = [f"{each}: delete it" for found in seen.values() for each in found.stale]
        kept = _named([each for found in seen.values() for each in found.kept])
        if not lines:
            warning = f"of apps that left the file, data is kept: {kept}"
            return Satisfied(warning=warning if kept else "")
        names = ", ".join(part for part, found in seen.items() if found.stale)
        stays = f"; keep {kept}" if kept else ""
        return Change(
            f"remove {names}: delete {len(lines)} {_objects(len(lines))}{stays}",
            (RemoveParts(self.probe(), names),),
            reason="no longer in the file",
            diff=Diff("", "\n".join(lines)),
        )
