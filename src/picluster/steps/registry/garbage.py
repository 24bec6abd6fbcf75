"""What no image in the registry uses is removed from its disk, by the registry's own collector."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.place import Brought, Place
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Change, Decision
from picluster.engine.survey import Look
from picluster.errors import ActionFailed
from picluster.steps.registry import paths
from picluster.steps.registry.container import LABEL, Definition

COLLECTED = "garbage-collected"

_COLLECT_SECONDS = 3600.0
_EVIDENCE_LINES = 15


@dataclass(frozen=True, slots=True)
class Freed:
    """How many bytes the registry's directory took before and after."""

    before: int
    after: int

    @property
    def size(self) -> int:
        """How many bytes were freed."""
        return max(0, self.before - self.after)


@dataclass(frozen=True, slots=True)
class RegistrySeen:
    """The registry that there is, by the digest of its definition; empty if there is none."""

    definition: str = ""


PRESENT = ShellProbe(
    COLLECTED,
    f"docker container inspect -f 'definition={{{{index .Config.Labels \"{LABEL}\"}}}}' "
    f"{paths.CONTAINER} 2>/dev/null || true",
    lambda seen: RegistrySeen(seen.text("definition", "")),
)


@dataclass(frozen=True, slots=True)
class Collect:
    """Remove unused data, and bring back how much that was (`Freed`)."""

    definition: Definition
    untagged: bool
    title: str = "collecting garbage"

    def perform(self, place: Place) -> None:
        """Do it, with pushes refused meanwhile. Raises `ActionFailed`; the registry runs again."""
        place.progress.report("pushes are refused, pulls go on")
        session = place.sessions.get(place.target)
        done = session.run(self._script, timeout=_COLLECT_SECONDS)
        if done.status != 0:
            raise ActionFailed(
                "removing unused data from the registry failed",
                where=place.target,
                why=done.last_words,
                fix="the registry itself is started again; `picluster phase registry` checks it",
                evidence="\n".join(f"{done.text}{done.errors}".splitlines()[-_EVIDENCE_LINES:]),
            )
        sizes = Observation(out=done.text)
        freed = Freed(sizes.number("before"), sizes.number("after"))
        place.tools.get(Brought).add(freed)

    @property
    def _script(self) -> str:
        wanted = self.definition
        # The registry reads this setting as YAML; as one word `true` it takes it for a mistake.
        read_only = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled": true}'}
        return shell(
            __package__,
            "collect_garbage",
            CONTAINER=paths.CONTAINER,
            STAND_IN=paths.COLLECTOR,
            START_STAND_IN=wanted.run(paths.COLLECTOR, **read_only),
            CODE=wanted.code,
            URL=wanted.url,
            VOLUME=wanted.volume,
            UNTAGGED=self.untagged,
        )


@dataclass(frozen=True, slots=True)
class GarbageCollected:
    """Unused data was removed, once.

    Nothing may be pushed meanwhile, or what is being pushed would be taken for unused: a read-only
    container stands in for the registry, so that nodes can go on pulling.
    """

    definition: Definition
    untagged: bool
    name: str = COLLECTED
    title: str = "the registry holds nothing that no image uses"

    def probe(self) -> ShellProbe[RegistrySeen]:
        return PRESENT

    def decide(self, look: Look) -> Decision:
        present = look.read(PRESENT)
        if present.definition != self.definition.digest:
            return Blocked(
                "the registry is not as the cluster file says"
                if present.definition
                else "there is no registry yet",
                "bring it up first: `picluster phase registry`",
            )
        return Change(
            "remove what no image uses, with pushes refused meanwhile",
            (Collect(self.definition, self.untagged),),
            reason="asked for",
            once=True,
        )
