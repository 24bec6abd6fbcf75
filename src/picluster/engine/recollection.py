"""What a run has seen: as long as it changes nothing, nobody is asked twice, nor in two goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from threading import Lock
from typing import Any

from picluster.engine.phase import Phase
from picluster.engine.probe import Observation, ShellProbe


class Recollection:
    """Answers of the nodes' shells, by target and by the text of the question.

    The probes of phases to come are foreseen: they ride along with the first look at a target. All
    is forgotten, for good, when the run is about to change anything anywhere: what a change does
    elsewhere is nobody's to guess, so each look asks anew from then on. Who remembers what others
    than shells have said is told `as_well`.
    """

    def __init__(self, as_well: Callable[[], None] = lambda: None) -> None:
        self._lock = Lock()
        self._as_well = as_well
        self._foreseen: dict[str, dict[str, ShellProbe[Any]]] = {}
        self._seen: dict[str, dict[str, Observation]] = {}
        self._trusted = True

    def foresee(self, phase: Phase, absent: Collection[str] = ()) -> None:
        """Expect the phase's probes to be asked, but those of stages that need an absent node."""
        for stage in phase.stages:
            if not set(stage.needs).isdisjoint(absent):
                continue
            for target, steps in stage.steps.items():
                probes = (step.probe() for step in steps)
                shells = {probe.text: probe for probe in probes if isinstance(probe, ShellProbe)}
                self._foreseen.setdefault(target, {}).update(shells)

    def recall(self, target: str) -> Mapping[str, Observation]:
        """Return what was seen on a target."""
        with self._lock:
            return dict(self._seen.get(target, {}))

    def along(self, target: str) -> Mapping[str, ShellProbe[Any]]:
        """Return the foreseen probes that nobody has asked on a target yet, by their texts."""
        with self._lock:
            seen = self._seen.get(target, {})
            foreseen = self._foreseen.get(target, {})
            return {text: probe for text, probe in foreseen.items() if text not in seen}

    def keep(self, target: str, seen: Mapping[str, Observation]) -> None:
        """Remember what was seen, unless the run has begun to change something meanwhile."""
        with self._lock:
            if self._trusted:
                self._seen.setdefault(target, {}).update(seen)

    def forget(self) -> None:
        """Forget all, and remember nothing from now on."""
        self._as_well()
        with self._lock:
            self._trusted = False
            self._foreseen.clear()
            self._seen.clear()
