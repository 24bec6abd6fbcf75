"""The commands that connect to nodes: call the phases, render what comes back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from picluster import commands
from picluster.cli.context import Asked
from picluster.cli.interrupt import asking_to_stop, ending_at_once
from picluster.cli.prompts import confirm_name
from picluster.commands import Build, Planned
from picluster.engine.lines import as_json
from picluster.errors import NodeError, UsageError
from picluster.site import Site
from picluster.ui import plan_view
from picluster.ui.screen import show
from picluster.ui.words import count, marks_for

T = TypeVar("T")

CHANGES_PENDING = 2


def up(asked: Asked, command: str, phases: Sequence[str], *, dry_run: bool) -> int:
    """Run phases and print the recap, or only what they would do; return the exit code."""
    if dry_run:
        return show_plan(asked, phases)
    return _carry_out(asked, command, lambda site: commands.up(site, phases))


def operate(asked: Asked, command: str, build: Build, *, dry_run: bool = False) -> int:
    """Run an operation's phases, or show what they would do; return the exit code."""
    if dry_run:
        return _planned(asked, lambda site: commands.plan(site, build)).exit_code
    return _carry_out(asked, command, lambda site: commands.operate(site, build))


def destroy(
    asked: Asked, command: str, build: Build, *, name: str, what: str, yes: bool, dry_run: bool
) -> int:
    """Show what an operation would destroy, let `name` be typed unless `yes`, then run it.

    Returns 0 at once if there is nothing to do, and 5 or 4 if it would refuse.
    """
    if dry_run or not yes:
        seen = _planned(asked, lambda site: commands.plan(site, build))
        if dry_run or seen.exit_code or not plan_view.has_changes(seen.plans):
            return seen.exit_code
        confirm_name(name, what)
    return operate(asked, command, build)


def _carry_out(asked: Asked, command: str, act: Callable[[Site], int]) -> int:
    with asked.run(command) as (site, sinks):
        try:
            with asking_to_stop(site.stop, site.abort):
                return act(site)
        except NodeError as error:
            # The recap tells of each node; on one and the same terminal, once is enough.
            if asked.given.json or not (sys.stdout.isatty() and sys.stderr.isatty()):
                raise
            return error.exit_code
        finally:
            sinks.stop_drawing()
            if not asked.given.json:
                sinks.conclude(site.tools)


def show_plan(asked: Asked, phases: Sequence[str], *, exit_code: bool = False) -> int:
    """Print what `up` would do.

    Returns 4 if a node is missing, 5 if it would refuse to begin, 2 if that is asked for and there
    is something to do.
    """
    seen = _planned(asked, lambda site: commands.plan_up(site, phases))
    pending = CHANGES_PENDING if exit_code and plan_view.has_changes(seen.plans) else 0
    return seen.exit_code or pending


def show_diff(asked: Asked, phases: Sequence[str]) -> int:
    """Print what would change in files. Returns 4 or 5 if `up` could not do all of it."""
    seen = look(asked, "plan", lambda site: commands.plan_up(site, phases))
    show(plan_view.as_diff(seen.plans), sys.stdout)
    show(plan_view.missing_text(seen.missing), sys.stderr)
    return seen.exit_code


def _planned(asked: Asked, act: Callable[[Site], Planned]) -> Planned:
    """Print what would be done, and return it."""
    seen, site = look(asked, "plan", act), asked.site
    if asked.given.json:
        name = site.cluster.name
        print_json(plan_view.as_document(name, seen.plans, site.notices, seen.missing))
    else:
        marks = marks_for(sys.stdout.encoding)
        verbose = bool(asked.given.verbose)
        text = plan_view.as_text(seen.plans, site.notices, marks, seen.missing, verbose=verbose)
        show(text, sys.stdout)
    return seen


def look(asked: Asked, command: str, act: Callable[[Site], T]) -> T:
    """Return what is seen; say on a terminal what takes so long, as nothing else is to be seen."""
    if sys.stderr.isatty():
        cluster = asked.site.cluster
        nodes = count(len(cluster.nodes), "node")
        print(f"{command} {cluster.name}: looking at {nodes} ...", file=sys.stderr)
    return glance(asked, command, act)


def glance(asked: Asked, command: str, act: Callable[[Site], T]) -> T:
    """Return what is seen, and say nothing."""
    with asked.run(command, progress=False) as (site, _), ending_at_once(site.abort):
        return act(site)


def validate(asked: Asked) -> int:
    """Print every check's outcome; return the exit code."""
    from picluster.queries import validate as validate_query
    from picluster.ui import validate_view

    verdict = look(asked, "validate", validate_query.validate)
    if asked.given.json:
        print_json(validate_view.as_document(verdict))
    else:
        show(validate_view.as_text(verdict, marks_for(sys.stdout.encoding)), sys.stdout)
    return verdict.exit_code


def status(asked: Asked) -> int:
    """Print how the cluster is; return the exit code that says whether it is well."""
    from picluster.queries import status as status_query
    from picluster.ui import status_view

    now = glance(asked, "status", status_query.status)
    if asked.given.json:
        print_json(status_view.as_document(now))
    else:
        show(status_view.as_text(now, marks_for(sys.stdout.encoding)), sys.stdout)
    return now.exit_code


def watch_status(asked: Asked, seconds: float) -> int:
    """Print it again and again on a cleared screen, until Ctrl-C."""
    from picluster.queries import status as status_query
    from picluster.ui import status_view

    if not sys.stdout.isatty():
        raise UsageError("--watch needs a terminal", fix="run `picluster status` without it")
    try:
        while True:
            now = glance(asked, "status", status_query.status)
            sys.stdout.write("\x1b[H\x1b[2J")
            show(status_view.as_text(now, marks_for(sys.stdout.encoding)), sys.stdout)
            time.sleep(seconds)
    except KeyboardInterrupt:
        return 0


def print_json(document: object) -> None:
    """Print a document for programs."""
    print(as_json(document, indent=2))
