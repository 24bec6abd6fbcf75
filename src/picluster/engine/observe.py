"""Look at targets: one script per node, whatever the number of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from picluster.engine.pool import Sessions
from picluster.engine.script import compile_probes, new_marker, split_output
from picluster.engine.step import Observation, Query, Script, Step
from picluster.engine.survey import Survey
from picluster.errors import ActionFailed, PiclusterError, Unreachable


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
    sessions: Sessions, target: str, steps: Sequence[Step], timeout: float
) -> dict[str, Observation]:
    """Run every probe of the steps on one target and return what each saw, by step name.

    Shell probes travel as one script, and once more if the connection is lost: they only read.
    Raises a `NodeError` if the node cannot be asked, and whatever a query raises.
    """
    probes = {step.name: step.probe() for step in steps}
    scripts = {name: probe.text for name, probe in probes.items() if isinstance(probe, Script)}
    seen = _run_scripts(sessions, target, scripts, timeout) if scripts else {}
    for name, probe in probes.items():
        if isinstance(probe, Query):
            seen[name] = Observation(value=probe.run())
    return seen


def _run_scripts(
    sessions: Sessions, node: str, scripts: Mapping[str, str], timeout: float
) -> dict[str, Observation]:
    marker = new_marker()
    script = compile_probes(list(scripts.values()), marker)
    try:
        done = sessions.get(node).run(script, timeout=timeout)
    except Unreachable:
        done = sessions.renew(node).run(script, timeout=timeout)
    try:
        observations = split_output(done.out, done.err, marker, len(scripts))
    except ValueError as error:
        raise ActionFailed(
            "the look at the node was cut short",
            where=node,
            why=f"{error}; exit status {done.status}",
            fix="run it again; if it persists, look for a full disk or memory on the node",
            evidence=done.err.decode("utf-8", "replace")[-2000:],
        ) from error
    return dict(zip(scripts, observations, strict=True))


def observe_all(
    looks: Mapping[str, Callable[[], Mapping[str, Observation]]], sightings: Sightings
) -> dict[str, PiclusterError]:
    """Look at several targets in parallel; return the failures, by target."""
    failures: dict[str, PiclusterError] = {}

    def look_at(target: str) -> None:
        try:
            sightings.record(target, looks[target]())
        except PiclusterError as error:
            failures[target] = error

    if looks:
        with ThreadPoolExecutor(max_workers=len(looks)) as pool:
            list(pool.map(look_at, looks))
    return failures
