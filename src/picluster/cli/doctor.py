"""`picluster doctor`: what is wrong with the nodes, and what can be mended safely."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.options import DEFAULT_FILE, AcceptKeys, File, Json, Parallel, Verbose

if TYPE_CHECKING:
    from picluster.cli.context import Choice
    from picluster.queries.doctor import Diagnosis

Fix = Annotated[bool, typer.Option("--fix", help="Mend what can be mended without any risk.")]
Nodes = Annotated[
    list[str] | None, typer.Option("--node", help="Tell of this node only; may be repeated.")
]


def doctor(
    *,
    file: File = DEFAULT_FILE,
    node: Nodes = None,
    fix: Fix = False,
    parallel: Parallel = None,
    json: Json = False,
    verbose: Verbose = 0,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Look for the traps of Raspberry Pis, and say what to do.

    With --fix it mends what restarts nothing and loses nothing. Exits with 1 if there is a
    problem, and with 4 if a node cannot be reached.
    """
    from picluster.cli.context import Choice, every_node
    from picluster.cli.work import print_json
    from picluster.model import load
    from picluster.ui import doctor_view
    from picluster.ui.screen import show
    from picluster.ui.words import marks_for

    optional = every_node(file)
    for name in node or ():
        load(file).cluster.node(name)
    choice = Choice(file, node or (), parallel, json, verbose, accept_new_host_keys, optional)
    diagnosis = _diagnosed(choice)
    mended = [(name, check) for name, checks in diagnosis.fixable.items() for check in checks]
    if fix and mended:
        _mend(choice, diagnosis)
        diagnosis = _diagnosed(choice)
    if json:
        print_json(doctor_view.as_document(diagnosis, sorted(mended) if fix else ()))
    else:
        marks = marks_for(sys.stdout.encoding)
        show(doctor_view.as_text(diagnosis, marks, everything=verbose > 0), sys.stdout)
        show(doctor_view.held_text(diagnosis) if fix else "", sys.stdout)
    sys.exit(diagnosis.exit_code)


def _diagnosed(choice: Choice) -> Diagnosis:
    from dataclasses import replace

    from picluster.cli.context import site_for
    from picluster.cli.interrupt import ending_at_once
    from picluster.queries.doctor import diagnose

    # Twins are only seen beside each other, so that every node is looked at.
    all_of_them = replace(choice, limit=())
    with (
        site_for(all_of_them, "doctor", progress=False) as (site, _),
        ending_at_once(site.abort),
    ):
        return diagnose(site, choice.limit)


def _mend(choice: Choice, diagnosis: Diagnosis) -> None:
    """Do it, telling what is done on standard error; what fails is found by the next look."""
    from picluster import commands
    from picluster.cli.context import site_for
    from picluster.cli.interrupt import asking_to_stop
    from picluster.errors import NodeError
    from picluster.queries.doctor import mend
    from picluster.ui.screen import show

    with site_for(choice, "doctor-fix", progress=not choice.as_json) as (site, sinks):
        try:
            with asking_to_stop(site.stop, site.abort):
                commands.operate(site, lambda site, _: [mend(site, diagnosis.fixable)])
        except NodeError as error:
            print(f"{error}", file=sys.stderr)
        finally:
            sinks.stop_drawing()
            if not choice.as_json:
                show(sinks.recap(), sys.stdout)
