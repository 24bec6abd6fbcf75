"""What has been seen so far, on every target of a phase, and what a decision may see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

from picluster.engine.probe import LiveProbe, ShellProbe

Facts = TypeVar("Facts")
Asked: TypeAlias = ShellProbe[Facts] | LiveProbe[Facts]

Survey: TypeAlias = Mapping[str, Mapping[str, object]]
"""Facts by target, then by the name of the probe. A target is a node's name, or `CLUSTER`."""

CLUSTER = "cluster"
"""The target of steps that are done once per cluster instead of once per node."""


@dataclass(frozen=True, slots=True)
class Look:
    """All that a step's decision may depend on. Immutable, and made without any I/O."""

    target: str
    step: str
    survey: Survey
    planned: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def read(self, probe: Asked[Facts], target: str | None = None) -> Facts:
        """Return the facts that a probe saw on a target, by default this one.

        Raises `LookupError` if nobody asked: a phase was built without the step that does.
        """
        facts = self.find(probe, target)
        if facts is None:
            raise LookupError(f"`{probe.name}` was not asked on {target or self.target}")
        return facts

    def find(self, probe: Asked[Facts], target: str | None = None) -> Facts | None:
        """Return what `read` does, or None if the target was not asked."""
        seen = self.survey.get(self.target if target is None else target, {})
        return cast("Facts | None", seen.get(probe.name))

    def every(self, probe: Asked[Facts]) -> dict[str, Facts]:
        """Return the facts of a probe by target, of every target that was asked."""
        found = {target: self.find(probe, target) for target in self.survey}
        return {target: facts for target, facts in found.items() if facts is not None}

    def changing(self, *steps: str) -> bool:
        """Whether any of these earlier steps is about to change something on this target.

        This is how a restart appears in a plan before the file that causes it is written.
        """
        return any((self.target, step) in self.planned for step in steps)

    def changing_anywhere(self, *steps: str) -> bool:
        """Whether any of these earlier steps is about to change something on any target."""
        return any(step in steps for _, step in self.planned)
