"""What the commands do: connect, then plan or run phases. The CLI only parses and renders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from picluster.engine.events import Connected, RunFinished, RunStarted
from picluster.engine.lock import FirstThatIsThere, NodeLock, WorkstationLock
from picluster.engine.phase import Phase
from picluster.engine.plan import PhasePlan, missing_for
from picluster.engine.recollection import Recollection
from picluster.engine.run import RunState
from picluster.engine.runner import plan_phase, run_phase
from picluster.engine.survey import CLUSTER
from picluster.engine.warned import settle
from picluster.errors import HostKeyChanged, NodeError, PiclusterError, PreflightRefused
from picluster.kube.api import NOTES
from picluster.kube.nodes import NODES
from picluster.phases.catalog import PHASES, wanted
from picluster.phases.k3s import fetch_ahead
from picluster.phases.preflight import preflight
from picluster.site import Site
from picluster.steps.saved_images import read_saved

_READ = {"k3s": NODES, "deploy": NOTES}
"""What phases read of the API even if there is nothing to do."""

Build: TypeAlias = Callable[[Site, frozenset[str]], Iterable[Phase]]
"""Makes the phases of an operation, given the nodes that are absent; later ones as it is asked."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a look at every node gave: what would be done, and who could not be looked at, and why.

    `missing` are those of the `unreached` that should have been worked on.
    """

    plans: tuple[PhasePlan, ...]
    unreached: Mapping[str, NodeError]
    missing: Mapping[str, NodeError]

    @property
    def exit_code(self) -> int:
        """How a run would be kept from doing all of it: 4, 5, or 0 if it would not be."""
        needed = any(missing_for(item) for plan in self.plans for item in plan.blocked)
        if self.missing or needed or any(plan.left_out for plan in self.plans):
            return NodeError.exit_code
        return PreflightRefused.exit_code if any(plan.blocked for plan in self.plans) else 0


def up(site: Site, phases: Sequence[str]) -> int:
    """Run phases by their names, in order; as `operate` does."""
    phases = wanted(phases, site.cluster)
    return operate(site, _in_order(phases), phases)


def plan_up(site: Site, phases: Sequence[str]) -> Planned:
    """Look what `up` would do; as `plan` does."""
    phases = wanted(phases, site.cluster)
    return plan(site, _in_order(phases), phases)


def _in_order(phases: Sequence[str]) -> Build:
    """Build phases by name, after the one that refuses what cannot work."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield preflight(site.cluster)
        saved = read_saved(site.cluster.k3s.airgap_dir)
        if saved is not None:
            from picluster.phases.air_gap import air_gap  # noqa: PLC0415 - it knows every application

            yield air_gap(site.cluster, saved)
        for name in phases:
            yield PHASES[name](site)

    return build


def operate(site: Site, build: Build, phases: Sequence[str] = ()) -> int:
    """Run the phases in order and return the exit code; failures are told as events.

    Raises a `PiclusterError` for what ends the whole run, after a recap of what was done.
    """
    with under_way(site, phases) as run:
        lock = WorkstationLock(site.here.lock)
        lock.take()
        try:
            for phase in build(site, run.absent):
                if phase.name == "prepare" and "k3s" in phases:
                    fetch_ahead(site, run.seen)
                if not run_phase(phase, run):
                    break
        except PiclusterError as error:
            _finish(site, run, error.exit_code)
            raise
        finally:
            lock.release()
        return _finish(site, run, run.exit_code())


def plan(site: Site, build: Build, phases: Sequence[str] = ()) -> Planned:
    """Look at every node and return what would be done; nothing is changed anywhere.

    Nothing is planned for nodes that are absent.
    """
    with under_way(site, phases) as run:
        if run.absent:
            run.only = _everyone(site) - run.absent
        plans = tuple(plan_phase(phase, run) for phase in build(site, run.absent))
        return Planned(plans, run.unreached, site.missing(run.unreached))


@contextmanager
def under_way(site: Site, phases: Sequence[str] = ()) -> Iterator[RunState]:
    """Connect to every node for a run of these phases; close every connection afterwards.

    Raises a `NodeError` if there is nothing to work on without the nodes that are absent.
    """
    cluster, sessions = site.cluster, site.sessions
    site.emit(
        RunStarted(
            command=site.command,
            cluster=cluster.name,
            targets=tuple(node.name for node in cluster.nodes),
            phases=("preflight", *phases),
            notices=site.notices,
        )
    )
    sessions.traffic.reset(site.emit)
    run = RunState(
        sessions,
        site.emit,
        site.stop,
        tools=site.tools,
        only=site.scope.targets,
        seen=Recollection(site.api.forget),
    )
    site.api.remember()
    try:
        run.absent = _connect(site, run)
        site.api.look_ahead(path for phase, path in _READ.items() if phase in phases)
        run.take_lock = _node_lock(site, run.absent).take
        foresee(run, (partial(PHASES[name], site) for name in phases))
        yield run
    finally:
        site.api.close()
        sessions.close_all()


def _everyone(site: Site) -> frozenset[str]:
    """Return the targets that the command is about."""
    everyone = frozenset({CLUSTER, *(node.name for node in site.cluster.nodes)})
    return everyone if site.scope.targets is None else site.scope.targets


def _connect(site: Site, run: RunState) -> frozenset[str]:
    """Open a connection to every node, tell of each, and return which are absent.

    Those that are missing are recorded as failures; the others can be worked on all the same.
    Raises if nobody is left to work on, or one is absent without which nothing is to be done.
    """
    nodes = [node.name for node in site.cluster.nodes]
    absent: dict[str, NodeError] = {}
    for node, opened in site.sessions.open_all(nodes).items():
        if isinstance(opened, NodeError):
            absent[node] = opened
        else:
            site.emit(Connected(target=node, seconds=time.monotonic() - run.began))
    missing = site.missing(absent)
    for node, error in absent.items():
        if node in missing:
            run.fail("connect", node, error)
        elif isinstance(error, HostKeyChanged):
            # Nobody asked for this node, and yet somebody may be in the middle.
            run.tell("connect", node, error)
    needed = {node: why for node, why in absent.items() if node in site.scope.required}
    nobody = missing and all(node in absent for node in nodes if run.in_scope(node))
    if needed or nobody or len(absent) == len(nodes):
        _finish(site, run, NodeError.exit_code)
        raise _together(needed or missing or absent)
    return frozenset(absent)


def foresee(run: RunState, phases: Iterable[Callable[[], Phase]]) -> None:
    """Have the first look at each node ask what the phases will ask, as far as they can be built.

    What keeps one from being built is told when its turn comes.
    """
    for build in phases:
        with suppress(PiclusterError):
            run.seen.foresee(build(), run.absent)


def _node_lock(site: Site, absent: frozenset[str]) -> FirstThatIsThere:
    """Return the lock that keeps other computers' runs out: on the first server that is there."""
    cluster = site.cluster
    path = f"/run/picluster-lock/{cluster.name}.lock"
    nodes = [node.name for node in (*cluster.servers, *cluster.agents)]
    there = [node for node in nodes if node not in absent]
    return FirstThatIsThere([NodeLock(site.sessions, node, path) for node in there])


def _together(gone: Mapping[str, NodeError]) -> NodeError:
    """Return the one error as it is, or one that lists them all; nothing has been done yet."""
    if len(gone) == 1:
        return next(iter(gone.values()))
    return NodeError(
        f"{len(gone)} nodes cannot be worked on, and nothing was changed on any node",
        why="; ".join(f"{node}: {error.what}" for node, error in gone.items()),
        fix="; ".join(dict.fromkeys(error.fix for error in gone.values() if error.fix)),
    )


def _finish(site: Site, run: RunState, exit_code: int) -> int:
    """Tell the recap; return the exit code. Unless the user is in a hurry, warnings are settled."""
    if not run.stop.is_set():
        settle(run.warned, run)
    spent = site.sessions.traffic
    site.emit(
        RunFinished(
            tallies=run.tallies(),
            exit_code=exit_code,
            seconds=time.monotonic() - run.began,
            connections=spent.connections,
            scripts=spent.scripts,
            bytes_sent=spent.bytes_sent,
            bytes_received=spent.bytes_received,
            forks=spent.forks,
            cpu_seconds=round(spent.cpu_seconds, 3),
            next_command=_next_command(site, exit_code) + site.file_option,
        )
    )
    return exit_code


def _next_command(site: Site, exit_code: int) -> str:
    """Return what to run after a success, or again after a failure."""
    operation, _, part = site.command.partition("-")
    node = next(iter(site.scope.only or ()), "")
    if exit_code == 0:
        return {"reset": "picluster up"}.get(operation, "picluster validate")
    if site.again:
        return site.again
    if operation == "reset" and node:
        return f"picluster reset --node {node}"
    words = {"doctor-fix": ["doctor", "--fix"]}.get(site.command, [operation, part])
    words += {"node": [node], "snapshot": ["NAME"] if part != "save" else []}.get(operation, [])
    return " ".join(filter(None, ["picluster", *words]))
