"""What the commands do: connect, then plan or run phases. The CLI only parses and renders."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from picluster.engine.events import Connected, Emit, RunFinished, RunStarted
from picluster.engine.lock import FirstThatIsThere, NodeLock, WorkstationLock
from picluster.engine.phase import Phase
from picluster.engine.plan import PhasePlan, missing_for
from picluster.engine.pool import Sessions
from picluster.engine.run import Run
from picluster.engine.runner import plan_phase, run_phase
from picluster.engine.session import Session, Traffic
from picluster.engine.survey import CLUSTER, UNSEEN
from picluster.engine.warned import settle
from picluster.errors import HostKeyChanged, NodeError, PiclusterError, PreflightRefused
from picluster.model import Cluster
from picluster.phases.catalog import PHASES, wanted
from picluster.phases.deploy import inspection
from picluster.phases.preflight import preflight
from picluster.phases.site import NOTHING_SPECIAL, Consents, Site, make_site, no_other_way
from picluster.secret import Secret
from picluster.steps.k3s.state import STATE, K3sState, read_state


@dataclass(frozen=True, slots=True)
class Job:
    """One command's work: on which cluster, how to reach it, and which part of it to touch.

    `state` and `cache` are this computer's directories for the cluster. `only` limits which nodes
    are changed; None is all of them. A node that cannot be reached stops nobody else, but for one
    that is `required`; an `optional` one may be absent, and then that is no failure either.
    `notices` are shown with the result, such as that a lab's K3s is a stand-in.
    """

    command: str
    file: Path
    cluster: Cluster
    sessions: Sessions
    traffic: Traffic
    state: Path
    cache: Path
    user_kubeconfig: Path
    emit: Emit
    stop: threading.Event
    phases: Sequence[str]
    only: Collection[str] | None = None
    optional: Collection[str] = ()
    required: Collection[str] = ()
    token: Secret | None = None
    registry_password: Secret | None = None
    notices: tuple[str, ...] = ()
    consents: Consents = NOTHING_SPECIAL
    by_key: Callable[[str], Session] = no_other_way
    """Opens another connection to a node, by key and never by password."""
    disclosed: list[tuple[str, Secret]] = field(default_factory=list)
    """Passwords that were generated, to be shown once and recorded nowhere."""
    unreached: dict[str, NodeError] = field(default_factory=dict)
    """Nodes that could not be connected to, or were lost while they were looked at, and why."""

    @property
    def missing(self) -> dict[str, NodeError]:
        """Those of them that should have been worked on, and why they could not be."""
        return {
            node.name: self.unreached[node.name]
            for node in self.cluster.nodes
            if node.name in self.unreached
            and node.name not in self.optional
            and (self.only is None or node.name in self.only)
        }

    def abort(self) -> None:
        """Drop every connection at once: what waits on one fails, and the run ends."""
        self.sessions.abort()


@dataclass(slots=True)
class Work:
    """A job under way: its connections are open."""

    job: Job
    site: Site
    run: Run
    began: float
    absent: frozenset[str] = frozenset()


Build: TypeAlias = Callable[[Site, frozenset[str]], Iterable[Phase]]
"""Makes the phases of an operation, given the nodes that are absent; later ones as it is asked."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `validate` found; `installed` says whether any node has K3s.

    `missing` are the nodes that could not be looked at, and why.
    """

    cluster: str
    plans: tuple[PhasePlan, ...]
    installed: bool
    notices: tuple[str, ...] = ()
    missing: Mapping[str, NodeError] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """How many checks say that a node is not fit."""
        return len(self.plans[0].blocked)

    @property
    def differing(self) -> int:
        """How much of the cluster is not as the file says, or cannot be made so."""
        return sum(len(plan.changes) + len(plan.blocked) for plan in self.plans[1:])

    @property
    def exit_code(self) -> int:
        """0 if all is well.

        4 if not all could be looked at, 5 if a node is not fit, 1 if the cluster is not as it
        should be.
        """
        if self.missing:
            return NodeError.exit_code
        if self.refused:
            return PreflightRefused.exit_code
        return PiclusterError.exit_code if self.differing else 0


def up(job: Job) -> int:
    """Run the job's phases in order and return the exit code; failures are told as events.

    Raises a `PiclusterError` for what ends the whole run, after a recap of what was done.
    """
    return operate(job, _phases_of(job))


def operate(job: Job, build: Build) -> int:
    """Run the phases that `build` makes, as `up` does its own."""
    with _under_way(job) as work:
        lock = WorkstationLock(job.state / "lock")
        lock.take()
        try:
            for phase in build(work.site, work.absent):
                if not run_phase(phase, work.run):
                    break
        except PiclusterError as error:
            _finish(work, error.exit_code)
            raise
        finally:
            lock.release()
        return _finish(work, work.run.exit_code())


def plan(job: Job, build: Build | None = None) -> list[PhasePlan]:
    """Look at every node and return what would be done; nothing is changed anywhere.

    Nothing is planned for nodes that are absent; `job.missing` names those that should be there.
    """
    with _under_way(job) as work:
        if work.absent:
            work.run.only = _everyone(job) - work.absent
        phases = (build or _phases_of(job))(work.site, work.absent)
        plans = [plan_phase(phase, work.run) for phase in phases]
        _note_the_lost(work)
        return plans


def plan_code(job: Job, plans: Sequence[PhasePlan]) -> int:
    """Return how `up` would be kept from doing all of a plan: 4, 5, or 0 if it would not be."""
    missing = [item for plan in plans for item in plan.blocked if missing_for(item)]
    if job.missing or missing or any(plan.left_out for plan in plans):
        return NodeError.exit_code
    return PreflightRefused.exit_code if any(plan.blocked for plan in plans) else 0


def validate(job: Job) -> Verdict:
    """Look whether the nodes are fit, and, if there is a cluster, whether it is as it should be."""
    with _under_way(job) as work:
        fitness = plan_phase(preflight(job.cluster), work.run)
        k3s = plan_phase(PHASES["k3s"](work.site), work.run)
        installed = any(
            _has_k3s(read_state(k3s.survey.get(node.name, {}).get(STATE, UNSEEN)))
            for node in job.cluster.nodes
        )
        plans = [fitness]
        if installed:
            plans += [plan_phase(PHASES["prepare"](work.site), work.run), k3s]
            plans += [
                plan_phase(_LOOKED_AT.get(name, PHASES[name])(work.site), work.run)
                for name in wanted(("registry", "longhorn", "deploy", "rancher"), job.cluster)
            ]
        _note_the_lost(work)
        return Verdict(job.cluster.name, tuple(plans), installed, job.notices, job.missing)


def _note_the_lost(work: Work) -> None:
    """Add what was lost while it was looked at to what could not be reached in the first place."""
    for node, why in work.run.failures.items():
        if isinstance(why, NodeError):
            work.job.unreached.setdefault(node, why)


_LOOKED_AT = {"deploy": inspection}
"""Phases that `validate` looks at more closely than a run that has nothing to do."""


def _has_k3s(state: K3sState) -> bool:
    """Whether a node is, or was, in a cluster: one whose service is gone is not an empty node."""
    return bool(state.unit) or state.in_cluster or state.joined


def _phases_of(job: Job) -> Build:
    """Build the job's phases by name, after the one that refuses what cannot work."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield preflight(job.cluster)
        for name in job.phases:
            yield PHASES[name](site)

    return build


@contextmanager
def _under_way(job: Job) -> Iterator[Work]:
    """Connect to every node and put together what the phases need; close it all afterwards.

    Raises a `NodeError` if there is nothing to work on without the nodes that are absent.
    """
    cluster = job.cluster
    job.emit(
        RunStarted(
            command=job.command,
            cluster=cluster.name,
            targets=tuple(node.name for node in cluster.nodes),
            phases=("preflight", *job.phases),
            notices=job.notices,
        )
    )
    sessions = job.sessions
    site = make_site(
        cluster,
        sessions,
        file=job.file,
        state=job.state,
        cache=job.cache,
        user_kubeconfig=job.user_kubeconfig,
        token=job.token,
        registry_password=job.registry_password,
        consents=job.consents,
        disclose=lambda whose, password: job.disclosed.append((whose, password)),
        by_key=job.by_key,
    )
    run = Run(sessions, job.emit, job.stop, tools=site.tools, only=_scope(job))
    work = Work(job, site, run, time.monotonic())
    try:
        run.absent = work.absent = _connect(work)
        run.take_lock = _node_lock(work).take
        yield work
    finally:
        site.api.close()
        sessions.close_all()


def _scope(job: Job) -> Collection[str] | None:
    return None if job.only is None else {*job.only, CLUSTER}


def _everyone(job: Job) -> frozenset[str]:
    """Return the targets that the job is about."""
    nodes = frozenset(node.name for node in job.cluster.nodes) if job.only is None else job.only
    return frozenset(nodes) | {CLUSTER}


def _connect(work: Work) -> frozenset[str]:
    """Open a connection to every node, tell of each, and return which are absent.

    Those that are missing are recorded as failures; the others can be worked on all the same.
    Raises if nobody is left to work on, or one is absent without which nothing is to be done.
    """
    job, run = work.job, work.run
    nodes = [node.name for node in job.cluster.nodes]
    for node, opened in run.sessions.open_all(nodes).items():
        if isinstance(opened, NodeError):
            job.unreached[node] = opened
        else:
            job.emit(Connected(target=node, seconds=time.monotonic() - work.began))
    absent, missing = job.unreached, job.missing
    for node, error in absent.items():
        if node in missing:
            run.fail("connect", node, error)
        elif isinstance(error, HostKeyChanged):
            # Nobody asked for this node, and yet somebody may be in the middle.
            run.tell("connect", node, error)
    needed = {node: absent[node] for node in job.required if node in absent}
    nobody = missing and all(node in absent for node in nodes if run.in_scope(node))
    if needed or nobody or len(absent) == len(nodes):
        _finish(work, NodeError.exit_code)
        raise _together(needed or missing or absent)
    return frozenset(absent)


def _node_lock(work: Work) -> FirstThatIsThere:
    """Return the lock that keeps other computers' runs out: on the first server that is there."""
    cluster, sessions = work.job.cluster, work.site.sessions
    path = f"/run/picluster-lock/{cluster.name}.lock"
    nodes = [node.name for node in (*cluster.servers, *cluster.agents)]
    there = [node for node in nodes if node not in work.absent]
    return FirstThatIsThere([NodeLock(sessions, node, path) for node in there])


def _together(gone: Mapping[str, NodeError]) -> NodeError:
    """Return the one error as it is, or one that lists them all; nothing has been done yet."""
    if len(gone) == 1:
        return next(iter(gone.values()))
    return NodeError(
        f"{len(gone)} nodes cannot be worked on, and nothing was changed on any node",
        why="; ".join(f"{node}: {error.what}" for node, error in gone.items()),
        fix="; ".join(dict.fromkeys(error.fix for error in gone.values() if error.fix)),
    )


def _finish(work: Work, exit_code: int) -> int:
    """Tell the recap; return the exit code. Unless the user is in a hurry, warnings are settled."""
    traffic, run = work.job.traffic, work.run
    if not run.stop.is_set():
        settle(run.warned, run)
    work.job.emit(
        RunFinished(
            tallies=run.tallies(),
            exit_code=exit_code,
            seconds=time.monotonic() - work.began,
            connections=traffic.connections,
            scripts=traffic.scripts,
            next_command=_next_command(work.job, exit_code),
        )
    )
    return exit_code


def _next_command(job: Job, exit_code: int) -> str:
    """Return what to run after a success, or again after a failure."""
    operation, _, part = job.command.partition("-")
    node = next(iter(job.only or ()), "")
    if exit_code == 0:
        return {"reset": "picluster up"}.get(operation, "picluster validate")
    if operation == "reset" and node:
        return f"picluster reset --node {node}"
    words = {"doctor-fix": ["doctor", "--fix"]}.get(job.command, [operation, part])
    words += {"node": [node], "snapshot": ["NAME"] if part != "save" else []}.get(operation, [])
    return " ".join(filter(None, ["picluster", *words]))
