"""Look at targets: one script per node, whatever the number of steps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import Any

from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.probe import NONSENSE, senseless, shown
from picluster.engine.recollection import Recollection
from picluster.engine.script import compile_probes, new_marker, split_output
from picluster.engine.step import LiveProbe, Observation, ShellProbe, Step
from picluster.engine.survey import Survey
from picluster.errors import PiclusterError, Unreadable
from picluster.secret import redact

# No probe prints any but tab and line ends: what is a file's content comes as base64.
_STEERS_A_TERMINAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Sightings:
    """The facts of a phase while it runs: threads add, decisions get a snapshot."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: dict[str, Mapping[str, object]] = {}

    def record(self, target: str, seen: Mapping[str, object]) -> None:
        """Replace what is known of one target."""
        with self._lock:
            self._seen[target] = dict(seen)

    def snapshot(self) -> Survey:
        """Return what is known now; later records do not change it."""
        with self._lock:
            return dict(self._seen)


def observe(
    sessions: Sessions,
    tools: Tools,
    target: str,
    steps: Sequence[Step],
    timeout: float,
    *,
    before: Recollection | None = None,
) -> dict[str, object]:
    """Ask every probe of the steps on one target and return the facts of each, by its name.

    Shell probes travel as one script, and once more if the connection is lost: they only read. What
    has been seen `before` is not asked again. Raises a `NodeError` if the node cannot be asked,
    `Unreadable` if its answer makes no sense, `ActionFailed` if that of another does not, and
    whatever a live probe raises.
    """
    probes = {probe.name: probe for step in steps if (probe := step.probe()) is not None}
    shells = [probe for probe in probes.values() if isinstance(probe, ShellProbe)]
    answers = _answers(sessions, target, shells, timeout, before or Recollection())
    return {
        name: _parsed(target, probe, answers[probe.text])
        if isinstance(probe, ShellProbe)
        else _asked(target, probe, tools)
        for name, probe in probes.items()
    }


def _answers(
    sessions: Sessions,
    target: str,
    shells: Sequence[ShellProbe[Any]],
    timeout: float,
    before: Recollection,
) -> Mapping[str, Observation]:
    """Return what shell probes see, by their texts; one that is foreseen is asked along."""
    known = before.recall(target)
    unknown = {probe.text: probe for probe in shells if probe.text not in known}
    if not unknown:
        return known
    seen = _ask(sessions, target, {**unknown, **before.along(target)}, timeout)
    before.keep(target, seen)
    return {**known, **seen}


def _asked(target: str, probe: LiveProbe[Any], tools: Tools) -> object:
    """Ask; what a live probe is told, such as by the API, may be of another shape than it says."""
    try:
        return probe.ask(tools)
    except NONSENSE as error:
        raise senseless(f"the answer to `{probe.name}`", target, error) from error


def _parsed(target: str, probe: ShellProbe[Any], seen: Observation) -> object:
    """Read an answer at once: one that makes no sense fails its target and no other."""
    try:
        if _STEERS_A_TERMINAL.search(seen.out):
            raise Unreadable(f"there are control characters in it: {shown(seen.out)}")
        return _read(probe, seen)
    except Unreadable as error:
        if probe.secret:
            hidden = f"that to `{probe.name}`, not shown, as it may hold a secret"
            raise Unreadable(hidden).about(target, "") from None
        raise error.about(target, redact(f"{seen.out}\n{seen.err}")) from None


def _read(probe: ShellProbe[Any], seen: Observation) -> object:
    """Have the probe read it. Raises `Unreadable`, also for what its parser did not think of."""
    try:
        return probe.parse(seen)
    except NONSENSE as error:
        raise Unreadable(f"`{probe.name}` cannot be read ({type(error).__name__})") from error


def _ask(
    sessions: Sessions, node: str, probes: Mapping[str, ShellProbe[Any]], timeout: float
) -> dict[str, Observation]:
    """Ask them in one script, and return what each saw, by its text."""
    marker = new_marker()
    script = compile_probes(list(probes), marker)
    asked = time.time()
    done = sessions.read(node, script, timeout=timeout)
    answered = time.time()
    try:
        observations = split_output(done.out, done.err, marker, len(probes))
    except Unreadable as error:
        said = b"" if any(probe.secret for probe in probes.values()) else done.err or done.out
        raise error.about(node, redact(said.decode("utf-8", "replace"))) from None
    dated = [replace(each, asked=asked, answered=answered) for each in observations]
    return dict(zip(probes, dated, strict=True))


def observe_all(
    looks: Mapping[str, Callable[[], Mapping[str, object]]], sightings: Sightings
) -> dict[str, PiclusterError]:
    """Look at several targets in parallel; return the failures, by target."""

    def look_at(target: str) -> PiclusterError | None:
        try:
            sightings.record(target, looks[target]())
        except PiclusterError as error:
            return error
        return None

    if not looks:
        return {}
    with ThreadPoolExecutor(max_workers=len(looks)) as pool:
        outcomes = dict(zip(looks, pool.map(look_at, looks), strict=True))
    return {target: error for target, error in outcomes.items() if error is not None}
