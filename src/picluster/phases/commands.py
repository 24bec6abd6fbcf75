"""What the commands do: connect, then plan or run phases. The CLI only parses and renders."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.events import Connected, Emit, RunFinished, RunStarted
from picluster.engine.lock import NodeLock, WorkstationLock, take_all
from picluster.engine.plan import PhasePlan
from picluster.engine.pool import Sessions
from picluster.engine.run import Run
from picluster.engine.runner import plan_phase, run_phase
from picluster.engine.session import Connector
from picluster.engine.survey import CLUSTER
from picluster.errors import NodeError, PiclusterError
from picluster.model import Cluster
from picluster.phases.catalog import PHASES
from picluster.phases.site import Site, make_site
from picluster.secret import Secret


@dataclass(frozen=True, slots=True)
class Job:
    """One command's work: on which cluster, how to reach it, and which part of it to touch.

    `state` and `cache` are this computer's directories for the cluster. `only` limits which nodes
    are changed; None is all of them. `notices` are shown with the result, such as that a lab's
    K3s is a stand-in.
    """

    command: str
    cluster: Cluster
    connector: Connector
    state: Path
    cache: Path
    user_kubeconfig: Path
    emit: Emit
    stop: threading.Event
    phases: Sequence[str]
    only: Collection[str] | None = None
    parallel: int = 10
    token: Secret | None = None
    notices: tuple[str, ...] = ()


@dataclass(slots=True)
class Work:
    """A job under way: its connections are open."""

    job: Job
    site: Site
    run: Run
    began: float


def up(job: Job) -> int:
    """Run the job's phases in order and return the exit code; failures are told as events.

    Raises a `PiclusterError` for what ends the whole run, after a recap of what was done.
    """
    with _under_way(job) as work:
        lock = WorkstationLock(job.state / "lock")
        lock.take()
        try:
            for name in job.phases:
                if not run_phase(PHASES[name](work.site), work.run):
                    break
        except PiclusterError as error:
            _finish(work, error.exit_code)
            raise
        finally:
            lock.release()
        return _finish(work, work.run.exit_code())


def plan(job: Job) -> list[PhasePlan]:
    """Look at every node and return what `up` would do; nothing is changed anywhere."""
    with _under_way(job) as work:
        return [plan_phase(PHASES[name](work.site), work.run) for name in job.phases]


@contextmanager
def _under_way(job: Job) -> Iterator[Work]:
    """Connect to every node and put together what the phases need; close it all afterwards.

    Raises the `NodeError` of the nodes that cannot be worked on, before anything is changed.
    """
    cluster = job.cluster
    job.emit(
        RunStarted(
            command=job.command,
            cluster=cluster.name,
            targets=tuple(node.name for node in cluster.nodes),
            phases=tuple(job.phases),
            notices=job.notices,
        )
    )
    sessions = Sessions(job.connector, job.parallel)
    site = make_site(
        cluster,
        sessions,
        state=job.state,
        cache=job.cache,
        user_kubeconfig=job.user_kubeconfig,
        token=job.token,
    )
    run = Run(sessions, job.emit, job.stop, only=_scope(job))
    lock = NodeLock(sessions, cluster.servers[0].name, f"/run/lock/picluster-{cluster.name}.lock")
    run.take_lock = take_all(lock.take)
    work = Work(job, site, run, time.monotonic())
    try:
        _connect(work)
        yield work
    finally:
        site.api.close()
        sessions.close_all()


def _scope(job: Job) -> Collection[str] | None:
    return None if job.only is None else {*job.only, CLUSTER}


def _connect(work: Work) -> None:
    """Open a connection to every node; tell of each, and raise if one that matters is missing."""
    job, run = work.job, work.run
    refused: dict[str, NodeError] = {}
    for node, opened in run.sessions.open_all([node.name for node in job.cluster.nodes]).items():
        if not isinstance(opened, NodeError):
            job.emit(Connected(target=node, seconds=time.monotonic() - work.began))
        elif run.in_scope(node):
            run.fail("connect", node, opened)
            refused[node] = opened
    if refused:
        _finish(work, NodeError.exit_code)
        raise _together(refused)


def _together(refused: Mapping[str, NodeError]) -> NodeError:
    """Return the one error as it is, or one that lists them all."""
    if len(refused) == 1:
        return next(iter(refused.values()))
    return NodeError(
        f"{len(refused)} nodes cannot be worked on, and nothing was changed on any node",
        why="; ".join(f"{node}: {error.what}" for node, error in refused.items()),
        fix="; ".join(dict.fromkeys(error.fix for error in refused.values() if error.fix)),
    )


def _finish(work: Work, exit_code: int) -> int:
    """Tell the recap; return the exit code."""
    traffic = work.job.connector.traffic
    work.job.emit(
        RunFinished(
            tallies=work.run.tallies(),
            exit_code=exit_code,
            seconds=time.monotonic() - work.began,
            connections=traffic.connections,
            scripts=traffic.scripts,
            next_command=_next_command(exit_code),
        )
    )
    return exit_code


def _next_command(exit_code: int) -> str:
    return "picluster validate" if exit_code == 0 else "picluster up"
