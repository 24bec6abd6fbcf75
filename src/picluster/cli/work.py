"""The commands that connect to nodes: call the phases, render what comes back."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence

from picluster import commands
from picluster.cli.confirm import confirm_name
from picluster.cli.context import Choice, job_for
from picluster.cli.interrupt import asking_to_stop, ending_at_once
from picluster.engine.plan import PhasePlan
from picluster.errors import NodeError, UsageError
from picluster.phases.catalog import select
from picluster.queries.status import Status
from picluster.queries.status import status as status_of
from picluster.ui import plan_view, status_view, validate_view
from picluster.ui.screen import show
from picluster.ui.words import count, marks_for

CHANGES_PENDING = 2
PREFLIGHT = "preflight"


def phases_between(first: str | None, last: str | None) -> list[str]:
    """Return the names of the phases in that range; raises `UsageError`."""
    return select(first, last)


def run_phases(choice: Choice, phases: Sequence[str]) -> int:
    """Run phases that were named one by one."""
    return up(choice, f"phase-{phases[0]}", phases)


def up(choice: Choice, command: str, phases: Sequence[str]) -> int:
    """Run phases and print the recap; return the exit code."""
    return _carry_out(choice, command, phases, commands.up)


def operate(choice: Choice, command: str, build: commands.Build) -> int:
    """Run an operation's phases and print the recap; return the exit code."""
    return _carry_out(choice, command, (), lambda job: commands.operate(job, build))


def destroy(
    choice: Choice, command: str, build: commands.Build, *, name: str, what: str, yes: bool
) -> int:
    """Show what an operation would destroy, let `name` be typed unless `yes`, then run it.

    Returns 0 at once if there is nothing to do, and 5 or 4 if it would refuse.
    """
    if not yes:
        plans, refused = _planned(choice, (), lambda job: commands.plan(job, build))
        if refused:
            return refused
        if not plan_view.has_changes(plans):
            return 0
        confirm_name(name, what)
    return operate(choice, command, build)


def _carry_out(
    choice: Choice, command: str, phases: Sequence[str], act: Callable[[commands.Job], int]
) -> int:
    with job_for(choice, command, phases) as (job, sinks):
        try:
            with asking_to_stop(job.stop, job.abort):
                return act(job)
        except NodeError as error:
            # The recap tells of each node; on one and the same terminal, once is enough.
            if choice.as_json or not (sys.stdout.isatty() and sys.stderr.isatty()):
                raise
            return error.exit_code
        finally:
            sinks.stop_drawing()
            if not choice.as_json:
                show(sinks.recap(), sys.stdout)
                _disclose(job)


def _disclose(job: commands.Job) -> None:
    """Show generated passwords, this once, and only to somebody who looks at a terminal."""
    for whose, password in job.disclosed:
        if sys.stdout.isatty():
            print(f"{whose} has the password {password.reveal()} (`picluster credentials`)")
        else:
            print(f"{whose} has a new password: `picluster credentials` shows it")


def show_plan(choice: Choice, phases: Sequence[str], *, exit_code: bool = False) -> int:
    """Print what `up` would do.

    Returns 4 if a node is missing, 5 if it would refuse to begin, 2 if that is asked for and there
    is something to do.
    """
    plans, refused = _planned(choice, phases, commands.plan)
    pending = CHANGES_PENDING if exit_code and plan_view.has_changes(plans) else 0
    return refused or pending


def show_diff(choice: Choice, phases: Sequence[str]) -> int:
    """Print what would change in files. Returns 4 or 5 if `up` could not do all of it."""
    job, plans = _look(choice, "plan", phases, commands.plan)
    show(plan_view.as_diff(plans), sys.stdout)
    show(plan_view.missing_text(job.missing), sys.stderr)
    return commands.plan_code(job, plans)


def show_operation(choice: Choice, build: commands.Build) -> int:
    """Print what an operation would do. Returns 4 or 5 if it could not do all of it."""
    return _planned(choice, (), lambda job: commands.plan(job, build))[1]


def _planned(
    choice: Choice, phases: Sequence[str], act: Callable[[commands.Job], list[PhasePlan]]
) -> tuple[list[PhasePlan], int]:
    """Print what would be done; return it, with the code of what keeps it from being done."""
    job, plans = _look(choice, "plan", phases, act)
    if choice.as_json:
        print_json(plan_view.as_document(job.cluster.name, plans, job.notices, job.missing))
    else:
        marks = marks_for(sys.stdout.encoding)
        show(plan_view.as_text(plans, job.notices, marks, job.missing), sys.stdout)
    return plans, commands.plan_code(job, plans)


def look(choice: Choice, command: str, build: commands.Build) -> list[PhasePlan]:
    """Look at what an operation's phases look at, and print nothing of it."""
    return _look(choice, command, (), lambda job: commands.plan(job, build))[1]


def _look(
    choice: Choice,
    command: str,
    phases: Sequence[str],
    act: Callable[[commands.Job], list[PhasePlan]],
) -> tuple[commands.Job, list[PhasePlan]]:
    with job_for(choice, command, phases, progress=False) as (job, _), ending_at_once(job.abort):
        _looking(job)
        return job, act(job)


def validate(choice: Choice) -> int:
    """Print every check's outcome; return the exit code."""
    with (
        job_for(choice, "validate", (PREFLIGHT,), progress=False) as (job, _),
        ending_at_once(job.abort),
    ):
        _looking(job)
        verdict = commands.validate(job)
    if choice.as_json:
        print_json(validate_view.as_document(verdict))
    else:
        show(validate_view.as_text(verdict, marks_for(sys.stdout.encoding)), sys.stdout)
    return verdict.exit_code


def status(choice: Choice) -> int:
    """Print how the cluster is; return the exit code that says whether it is well."""
    now = _status(choice)
    if choice.as_json:
        print_json(status_view.as_document(now))
    else:
        show(status_view.as_text(now, marks_for(sys.stdout.encoding)), sys.stdout)
    return now.exit_code


def watch_status(choice: Choice, seconds: float) -> int:
    """Print it again and again on a cleared screen, until Ctrl-C."""
    if not sys.stdout.isatty():
        raise UsageError("--watch needs a terminal", fix="run `picluster status` without it")
    try:
        while True:
            text = status_view.as_text(_status(choice), marks_for(sys.stdout.encoding))
            sys.stdout.write("\x1b[H\x1b[2J")
            show(text, sys.stdout)
            time.sleep(seconds)
    except KeyboardInterrupt:
        return 0


def _status(choice: Choice) -> Status:
    with job_for(choice, "status", (), progress=False) as (job, _), ending_at_once(job.abort):
        return status_of(job)


def show_credentials(choice: Choice) -> int:
    """Print where the applications are and how to log in; return 1 if there are none."""
    from picluster.queries.credentials import logins
    from picluster.ui import credentials_view

    with (
        job_for(choice, "credentials", (), progress=False) as (job, _),
        ending_at_once(job.abort),
    ):
        found = logins(job)
        if choice.as_json:
            print_json(credentials_view.as_document(job.cluster.name, found, job.notices))
        else:
            show(credentials_view.as_text(found, job.notices), sys.stdout)
    return 0 if found else 1


def list_snapshots(choice: Choice) -> int:
    """Print the snapshots here and on the servers."""
    from picluster.operations.snapshot import list_all
    from picluster.ui import snapshot_view

    with (
        job_for(choice, "snapshot-list", (), progress=False) as (job, _),
        ending_at_once(job.abort),
    ):
        _looking(job)
        here, there = list_all(job)
    if choice.as_json:
        print_json(snapshot_view.as_document(job.cluster.name, here, there, job.notices))
    else:
        show(snapshot_view.as_text(here, there), sys.stdout)
    return 0


def _looking(job: commands.Job) -> None:
    """Say on a terminal what takes so long; there is nothing else to show until all is seen."""
    if sys.stderr.isatty():
        nodes = count(len(job.cluster.nodes), "node")
        print(f"{job.command} {job.cluster.name}: looking at {nodes} ...", file=sys.stderr)


def print_json(document: object) -> None:
    """Print a document for programs."""
    print(json.dumps(document, indent=2, ensure_ascii=False))
