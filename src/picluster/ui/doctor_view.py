"""What the doctor found: traffic lights node by node, as text and as a JSON document."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from picluster.errors import NodeError, Unreachable
from picluster.queries.doctor import Diagnosed, Diagnosis, Patient
from picluster.secret import redact
from picluster.steps.doctor.finding import Light
from picluster.ui.words import Marks, count, safe

FORMAT = 1
_WIDTH = 80
_BAD = (Light.PROBLEM, Light.WARNING)


def as_text(diagnosis: Diagnosis, marks: Marks, *, everything: bool = False) -> str:
    """Return each node's lights; what is well, and what does not apply, only with `everything`."""
    lines: list[str] = []
    for patient in diagnosis.patients:
        lines += [*_node(patient, marks, everything), ""]
    lines += _summary(diagnosis)
    lines += [f"NOTE: {notice}" for notice in diagnosis.notices]
    return safe(redact("\n".join(lines))) + "\n"


def held_text(diagnosis: Diagnosis) -> str:
    """Return what `--fix` leaves alone, and why; empty if nothing is left."""
    rows = [
        f"  {patient.name}: {row.title}: {row.finding.held}"
        for patient in diagnosis.patients
        for light in _BAD
        for row in patient.lit(light)
        if row.finding.held
    ]
    return "\n".join(["left alone:", *rows, ""]) if rows else ""


def as_document(diagnosis: Diagnosis, mended: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """Return the same as plain data; docs/schemas/doctor.json describes it.

    `mended` are the checks, by node, that `--fix` set out to mend before this diagnosis.
    """
    return {
        "picluster": FORMAT,
        "cluster": diagnosis.cluster,
        "ok": diagnosis.exit_code == 0,
        "exit_code": diagnosis.exit_code,
        "notices": list(diagnosis.notices),
        "connections": diagnosis.connections,
        "scripts": diagnosis.scripts,
        "mended": [{"node": node, "check": check} for node, check in mended],
        "nodes": [_node_document(patient) for patient in diagnosis.patients],
    }


def _node(patient: Patient, marks: Marks, everything: bool) -> Iterator[str]:
    if patient.unreached is not None:
        error = patient.unreached
        yield f"{patient.name}: {_lost(error)}"
        yield from _wrapped(f"{marks.failed} ", error.what)
        yield from _wrapped("    why: ", error.why)
        yield from _wrapped("    fix: ", error.fix)
        return
    numbers = [
        f"{len(patient.lit(Light.OK))} ok",
        count(len(patient.lit(Light.WARNING)), "warning"),
        count(len(patient.lit(Light.PROBLEM)), "problem"),
        f"{len(patient.lit(Light.NOT_APPLICABLE))} not applicable",
    ]
    yield f"{patient.name}: {', '.join(numbers)}"
    unprepared = [] if patient.has_k3s or everything else _unprepared(patient)
    for light in (*_BAD, *((Light.OK, Light.NOT_APPLICABLE) if everything else ())):
        for row in patient.lit(light):
            if row not in unprepared:
                yield from _finding(row, marks)
    if unprepared:
        names = ", ".join(f"{row.check} ({row.finding.evidence})" for row in unprepared)
        yield from _wrapped(f"  {marks.warning} ", f"not prepared yet: {names}")
        yield from _wrapped("      fix: ", "picluster up (or --fix)")


def _lost(error: NodeError) -> str:
    """One that answers, and lets nobody in or talks nonsense, is not out of reach."""
    return "cannot be reached" if isinstance(error, Unreachable) else "cannot be looked at"


def _unprepared(patient: Patient) -> list[Diagnosed]:
    """What `prepare` has simply not come to yet: on a node without K3s that is no news."""
    return [row for row in patient.lit(Light.WARNING) if row.finding.fixable]


def _finding(row: Diagnosed, marks: Marks) -> Iterator[str]:
    found = row.finding
    mark = {
        Light.OK: marks.ok,
        Light.WARNING: marks.warning,
        Light.PROBLEM: marks.failed,
        Light.NOT_APPLICABLE: marks.skipped,
    }[found.light]
    seen = f": {found.evidence}" if found.evidence else ""
    yield from _wrapped(f"  {mark} ", f"{row.title}{seen}")
    yield from _wrapped("      means: ", found.meaning)
    yield from _wrapped("      fix: ", found.fix + (" (or --fix)" if found.fixable else ""))


def _wrapped(label: str, text: str) -> list[str]:
    """Return the text behind its label, folded so that it reads on a terminal of 80 columns."""
    if not text:
        return []
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(diagnosis: Diagnosis) -> Iterator[str]:
    lost: dict[str, list[str]] = {}
    for patient in diagnosis.patients:
        if patient.unreached:
            lost.setdefault(_lost(patient.unreached), []).append(patient.name)
    yield from (f"{how}: {', '.join(names)}" for how, names in lost.items())
    problems, warnings = diagnosis.count(Light.PROBLEM), diagnosis.count(Light.WARNING)
    if not problems and not warnings:
        if not lost:
            yield "no problems found"
        elif any(not patient.unreached for patient in diagnosis.patients):
            yield "no problems found on the others"
        return
    yield f"{count(problems, 'problem')} and {count(warnings, 'warning')}"
    mendable = sum(len(checks) for checks in diagnosis.fixable.values())
    if mendable:
        yield f"`picluster doctor --fix` mends {mendable} of them"


def _node_document(patient: Patient) -> dict[str, Any]:
    error = patient.unreached
    return {
        "name": patient.name,
        "reached": error is None,
        "error": redact(str(error)) if error else "",
        "findings": [
            {
                "check": row.check,
                "title": row.title,
                "light": row.finding.light.value,
                "evidence": redact(row.finding.evidence),
                "meaning": row.finding.meaning,
                "fix": row.finding.fix,
                "fixable": row.finding.fixable,
                "held": row.finding.held,
            }
            for row in patient.rows
        ],
    }
