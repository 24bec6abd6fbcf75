"""Look at targets: one script per node, whatever the number of steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import Any, TypeGuard

from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.script import compile_probes, new_marker, split_output
from picluster.engine.step import (
    Observation,
    Probe,
    Script,
    ShellProbe,
    Step,
    key_of,
)
from picluster.engine.survey import Survey
from picluster.errors import ActionFailed, PiclusterError, Unreadable


class Sightings:
    """The observations of a phase while it runs: threads add, decisions get a snapshot."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: dict[str, Mapping[str, Observation]] = {}

    def record(self, target: str, seen: Mapping[str, Observation]) -> None:
        """Replace what is known of one target."""
        with self._lock:
            self._seen[target] = dict(seen)

    def snapshot(self) -> Survey:
        """Return what is known now; later records do not change it."""
        with self._lock:
            return dict(self._seen)


def observe(
    sessions: Sessions, tools: Tools, target: str, steps: Sequence[Step], timeout: float
) -> dict[str, Observation]:
    """Ask every probe of the steps on one target and return what each saw, by its key.

    Shell probes travel as one script, and once more if the connection is lost: they only read.
    Raises a `NodeError` if the node cannot be asked, `Unreadable` if its answer makes no sense, and
    whatever a live probe raises.
    """
    probes = {key_of(step, probe): probe for step in steps if (probe := step.probe()) is not None}
    shells = {key: probe for key, probe in probes.items() if is_shell(probe)}
    seen = _run_scripts(sessions, target, shells, timeout) if shells else {}
    for key, probe in probes.items():
        if isinstance(probe, ShellProbe):
            seen[key] = _parsed(target, probe, seen[key])
        elif not isinstance(probe, Script):
            seen[key] = Observation(value=probe.ask(tools))
    return seen


def _parsed(target: str, probe: ShellProbe[Any], seen: Observation) -> Observation:
    """Read an answer at once: one that makes no sense fails its target and no other."""
    try:
        return replace(seen, value=probe.parse(seen))
    except Unreadable as error:
        raise error.about(target, "" if probe.secret else f"{seen.out}\n{seen.err}") from None


def is_shell(probe: Probe) -> TypeGuard[Script | ShellProbe[Any]]:
    """Whether a probe is shell on the node."""
    return isinstance(probe, Script | ShellProbe)


def _run_scripts(
    sessions: Sessions, node: str, probes: Mapping[str, Script | ShellProbe[Any]], timeout: float
) -> dict[str, Observation]:
    marker = new_marker()
    script = compile_probes([probe.text for probe in probes.values()], marker)
    asked = time.time()
    done = sessions.read(node, script, timeout=timeout)
    answered = time.time()
    try:
        observations = split_output(done.out, done.err, marker, len(probes))
    except Unreadable as error:
        secret = any(isinstance(probe, ShellProbe) and probe.secret for probe in probes.values())
        said = "" if secret else (done.err or done.out).decode("utf-8", "replace")
        raise error.about(node, said) from None
    except ValueError as error:
        raise ActionFailed(
            "the look at the node was cut short",
            where=node,
            why=f"{error}; exit status {done.status}",
            fix="run it again; if it persists, look for a full disk or memory on the node",
            evidence=done.err.decode("utf-8", "replace")[-2000:],
        ) from error
    dated = [replace(each, asked=asked, answered=answered) for each in observations]
    return dict(zip(probes, dated, strict=True))


def observe_all(
    looks: Mapping[str, Callable[[], Mapping[str, Observation]]], sightings: Sightings
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
