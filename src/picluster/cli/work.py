"""The commands that connect to nodes: call the phases, render what comes back."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from picluster import commands
from picluster.cli.confirm import confirm_name
from picluster.cli.context import Choice, Sinks, site_for
from picluster.cli.interrupt import asking_to_stop, ending_at_once
from picluster.engine.plan import PhasePlan
from picluster.errors import NodeError, UsageError
from picluster.phases.catalog import select
from picluster.queries.status import Status
from picluster.queries.status import status as status_of
from picluster.queries.validate import validate as validated
from picluster.site import Site
from picluster.ui import plan_view, status_view, validate_view
from picluster.ui.screen import show
from picluster.ui.words import count, marks_for

CHANGES_PENDING = 2

T = TypeVar("T")


def phases_between(first: str | None, last: str | None) -> list[str]:
    """Return the names of the phases in that range; raises `UsageError`."""
    return select(first, last)


def run_phases(choice: Choice, phases: Sequence[str]) -> int:
    """Run phases that were named one by one."""
    return up(choice, f"phase-{phases[0]}", phases)


def up(choice: Choice, command: str, phases: Sequence[str]) -> int:
    """Run phases and print the recap; return the exit code."""
    return _carry_out(choice, command, lambda site: commands.up(site, phases))


def operate(choice: Choice, command: str, build: commands.Build) -> int:
    """Run an operation's phases and print the recap; return the exit code."""
    return _carry_out(choice, command, lambda site: commands.operate(site, build))


def destroy(
    choice: Choice, command: str, build: commands.Build, *, name: str, what: str, yes: bool
) -> int:
    """Show what an operation would destroy, let `name` be typed unless `yes`, then run it.

    Returns 0 at once if there is nothing to do, and 5 or 4 if it would refuse.
    """
    if not yes:
        plans, refused = _planned(choice, lambda site: commands.plan(site, build))
        if refused:
            return refused
        if not plan_view.has_changes(plans):
            return 0
        confirm_name(name, what)
    return operate(choice, command, build)


def _carry_out(choice: Choice, command: str, act: Callable[[Site], int]) -> int:
    with site_for(choice, command) as (site, sinks):
        try:
            with asking_to_stop(site.stop, site.abort):
                return act(site)
        except NodeError as error:
            # The recap tells of each node; on one and the same terminal, once is enough.
            if choice.as_json or not (sys.stdout.isatty() and sys.stderr.isatty()):
                raise
            return error.exit_code
        finally:
            sinks.stop_drawing()
            if not choice.as_json:
                show(sinks.recap(), sys.stdout)
                _disclose(sinks)


def _disclose(sinks: Sinks) -> None:
    """Show generated passwords, this once, and only to somebody who looks at a terminal."""
    for whose, password in sinks.disclosed.passwords:
        if sys.stdout.isatty():
            print(f"{whose} has the password {password.reveal()} (`picluster credentials`)")
        else:
            print(f"{whose} has a new password: `picluster credentials` shows it")


def show_plan(choice: Choice, phases: Sequence[str], *, exit_code: bool = False) -> int:
    """Print what `up` would do.

    Returns 4 if a node is missing, 5 if it would refuse to begin, 2 if that is asked for and there
    is something to do.
    """
    plans, refused = _planned(choice, lambda site: commands.plan_up(site, phases))
    pending = CHANGES_PENDING if exit_code and plan_view.has_changes(plans) else 0
    return refused or pending


def show_diff(choice: Choice, phases: Sequence[str]) -> int:
    """Print what would change in files. Returns 4 or 5 if `up` could not do all of it."""
    _, seen = _look(choice, "plan", lambda site: commands.plan_up(site, phases))
    show(plan_view.as_diff(seen.plans), sys.stdout)
    show(plan_view.missing_text(seen.missing), sys.stderr)
    return seen.exit_code


def show_operation(choice: Choice, build: commands.Build) -> int:
    """Print what an operation would do. Returns 4 or 5 if it could not do all of it."""
    return _planned(choice, lambda site: commands.plan(site, build))[1]


def _planned(
    choice: Choice, act: Callable[[Site], commands.Planned]
) -> tuple[Sequence[PhasePlan], int]:
    """Print what would be done; return it, with the code of what keeps it from being done."""
    site, seen = _look(choice, "plan", act)
    if choice.as_json:
        print_json(plan_view.as_document(site.cluster.name, seen.plans, site.notices, seen.missing))
    else:
        marks = marks_for(sys.stdout.encoding)
        show(plan_view.as_text(seen.plans, site.notices, marks, seen.missing), sys.stdout)
    return seen.plans, seen.exit_code


def look(choice: Choice, command: str, build: commands.Build) -> Sequence[PhasePlan]:
    """Look at what an operation's phases look at, and print nothing of it."""
    return _look(choice, command, lambda site: commands.plan(site, build))[1].plans


def _look(choice: Choice, command: str, act: Callable[[Site], T]) -> tuple[Site, T]:
    with (
        site_for(choice, command, progress=False) as (site, _),
        ending_at_once(site.abort),
    ):
        _looking(site)
        return site, act(site)


def validate(choice: Choice) -> int:
    """Print every check's outcome; return the exit code."""
    _, verdict = _look(choice, "validate", validated)
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
    with site_for(choice, "status", progress=False) as (site, _), ending_at_once(site.abort):
        return status_of(site)


def show_credentials(choice: Choice) -> int:
    """Print where the applications are and how to log in; return 1 if there are none."""
    from picluster.queries.credentials import logins
    from picluster.ui import credentials_view

    with (
        site_for(choice, "credentials", progress=False) as (site, _),
        ending_at_once(site.abort),
    ):
        found = logins(site)
        if choice.as_json:
            print_json(credentials_view.as_document(site.cluster.name, found, site.notices))
        else:
            show(credentials_view.as_text(found, site.notices), sys.stdout)
    return 0 if found else 1


def list_snapshots(choice: Choice) -> int:
    """Print the snapshots here and on the servers."""
    from picluster.operations.snapshot import list_all
    from picluster.ui import snapshot_view

    site, (here, there) = _look(choice, "snapshot-list", list_all)
    if choice.as_json:
        print_json(snapshot_view.as_document(site.cluster.name, here, there, site.notices))
    else:
        show(snapshot_view.as_text(here, there), sys.stdout)
    return 0


def _looking(site: Site) -> None:
    """Say on a terminal what takes so long; there is nothing else to show until all is seen."""
    if sys.stderr.isatty():
        nodes = count(len(site.cluster.nodes), "node")
        print(f"{site.command} {site.cluster.name}: looking at {nodes} ...", file=sys.stderr)


def print_json(document: object) -> None:
    """Print a document for programs."""
    print(json.dumps(document, indent=2, ensure_ascii=False))
