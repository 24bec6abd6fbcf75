"""The commands that only read files on this computer."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from picluster.cli import pins
from picluster.engine import lines
from picluster.engine.journal import RecordedRun, recorded_runs
from picluster.errors import UsageError
from picluster.model import json_schema, load
from picluster.paths import kept_of
from picluster.ui.screen import show

_ONLY_LOOKS = re.compile(
    r"-(plan|validate|status|doctor|credentials|versions|snapshot-list|registry-list|support-bundle|exec)(-\d+)?$"
)
"""Runs that change nothing, which one has after those that do: they have little to tell."""


def show_config(file: Path, *, as_json: bool) -> None:
    """Print every value of the file and its origin."""
    from picluster.ui import config_view

    rows = load(file).rows()
    if as_json:
        print(lines.as_json(config_view.as_document(rows), indent=2))
    else:
        show(config_view.as_text(rows), sys.stdout)


def show_schema() -> None:
    """Print the JSON Schema of the cluster file."""
    print(json.dumps(json_schema(), indent=2))


def explain(path: str | None) -> None:
    """Print what a field means, or all of them. Raises `UsageError` if there is no such field."""
    from picluster.model import fields
    from picluster.model.refusal import nearest
    from picluster.ui import explain_view

    known = {field.path.replace("[]", ""): field for field in fields()}
    if path is None:
        show(explain_view.overview(fields()), sys.stdout)
        return
    plain = re.sub(r"\[\d*\]", "", path)
    if plain not in known:
        meant = nearest(plain, list(known))
        raise UsageError(
            f"the cluster file has no field {path}",
            fix=f"did you mean {meant}?" if meant else "`picluster explain` lists all of them",
        )
    inside = [field for name, field in known.items() if name.startswith(f"{plain}.")]
    show(explain_view.as_text(known[plain], inside), sys.stdout)


def forget_host_key(file: Path, node: str) -> None:
    """Remove a node's pins from the cluster's own known_hosts."""
    forgotten = pins.forget(load(file).cluster, node)
    print(f"{node}: {'forgotten' if forgotten else 'nothing was pinned'}")


def show_logs(file: Path, name: str | None, *, list_runs: bool, as_json: bool) -> None:
    """Print a recorded run, or the list of them. Raises `UsageError` if there is none."""
    from picluster.ui.log_view import as_text

    cluster = load(file).cluster.name
    if list_runs:
        runs = recorded_runs(kept_of(cluster).state)
        print("\n".join(run.name for run in runs) or "no run is recorded yet")
        return
    run = recorded_run(cluster, name)
    if as_json:
        for event in run.events():
            print(lines.as_json(event))
    else:
        show(as_text(run), sys.stdout)


def recorded_run(cluster: str, name: str | None) -> RecordedRun:
    """Return the run of that name; without one, the newest that may have changed something.

    Raises `UsageError` if there is none.
    """
    runs = recorded_runs(kept_of(cluster).state)
    changing = [run for run in runs if not _ONLY_LOOKS.search(run.name)]
    for run in [*changing, *runs]:
        if name in (None, run.name):
            return run
    if not runs:
        raise UsageError(
            f"no run of {cluster} is recorded yet", fix="`picluster plan` and `up` record theirs"
        )
    raise UsageError(
        f"there is no recorded run {name}", fix="`picluster logs --list` names those that are kept"
    )
