"""`picluster doctor`: what is wrong with the nodes, and what can be mended safely."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.options import Options

if TYPE_CHECKING:
    from picluster.cli.context import Asked
    from picluster.queries.doctor import Diagnosis

Fix = Annotated[bool, typer.Option("--fix", help="Mend what can be mended without any risk.")]
Nodes = Annotated[
    list[str] | None, typer.Option("--node", help="Tell of this node only; may be repeated.")
]


def doctor(*, node: Nodes = None, fix: Fix = False, given: Options) -> None:
    """Look for the traps of Raspberry Pis, and say what to do.

    With --fix it mends what restarts nothing and loses nothing. Exits with 1 if there is a
    problem, and with 4 if a node cannot be reached.
    """
    from picluster.cli import work
    from picluster.cli.context import asked_of_whoever_is_there
    from picluster.queries.doctor import diagnose
    from picluster.ui import doctor_view
    from picluster.ui.screen import show
    from picluster.ui.words import marks_for

    # Twins are only seen beside each other, so that every node is looked at.
    asked = asked_of_whoever_is_there(given)
    named = [asked.site.cluster.node(name).name for name in node or ()]
    diagnosis = work.glance(asked, "doctor", lambda site: diagnose(site, named))
    mended = [(name, check) for name, checks in diagnosis.fixable.items() for check in checks]
    if fix and mended:
        _mend(asked, diagnosis)
        diagnosis = work.glance(asked, "doctor", lambda site: diagnose(site, named))
    if given.json:
        work.print_json(doctor_view.as_document(diagnosis, sorted(mended) if fix else ()))
    else:
        marks = marks_for(sys.stdout.encoding)
        show(doctor_view.as_text(diagnosis, marks, everything=given.verbose > 0), sys.stdout)
        show(doctor_view.held_text(diagnosis) if fix else "", sys.stdout)
    sys.exit(diagnosis.exit_code)


def _mend(asked: Asked, diagnosis: Diagnosis) -> None:
    """Do it, telling what is done on standard error; what fails is found by the next look."""
    from picluster import commands
    from picluster.cli.interrupt import asking_to_stop
    from picluster.errors import NodeError
    from picluster.queries.doctor import mend

    with asked.run("doctor-fix", progress=not asked.given.json) as (site, sinks):
        try:
            with asking_to_stop(site.stop, site.abort):
                commands.operate(site, lambda site, _: [mend(site, diagnosis.fixable)])
        except NodeError as error:
            print(f"{error}", file=sys.stderr)
        finally:
            sinks.stop_drawing()
            if not asked.given.json:
                sinks.conclude(site.tools)
