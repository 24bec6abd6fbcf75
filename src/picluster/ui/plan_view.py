"""A plan as text and as a JSON document."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

from picluster.engine.plan import Judged, PhasePlan
from picluster.engine.step import Blocked, Change, Diff, Risk, Satisfied, told_of
from picluster.errors import NodeError
from picluster.secret import redact
from picluster.ui.words import Marks, count, failure, safe

FORMAT = 1
NOBODY: Mapping[str, NodeError] = MappingProxyType({})
_MOST_DIFF_LINES = 60


def has_changes(plans: Sequence[PhasePlan]) -> bool:
    """Whether anything would be done, or would have to be and cannot."""
    return any(plan.changes or plan.blocked for plan in plans)


def as_text(
    plans: Sequence[PhasePlan],
    notices: Sequence[str],
    marks: Marks,
    missing: Mapping[str, NodeError] = NOBODY,
    *,
    verbose: bool = False,
) -> str:
    """Return what `up` would do, node by node, with reasons, risks and differences.

    Nodes of which the same is to be said are named together. Of those that are missing it is said
    why. Where it is to be `verbose`, each change is told action by action.
    """
    blocks = [_phase(plan, marks, verbose=verbose) for plan in plans]
    changes = sum(len(plan.changes) for plan in plans)
    blocked = sum(len(plan.blocked) for plan in plans)
    total = "nothing to do" if not changes else f"{count(changes, 'change')} to make"
    if blocked:
        total += f", {blocked} refused"
    if missing:
        total += f", not looked at: {', '.join(missing)}"
    lines = [*(block for block in blocks if block), *_missing(missing), f"plan: {total}"]
    lines += [f"NOTE: {notice}" for notice in notices]
    return safe(redact("\n".join(lines))) + "\n"


def missing_text(missing: Mapping[str, NodeError]) -> str:
    """Return why nodes were not looked at; empty if all were."""
    return safe(redact("\n".join(_missing(missing))))


def _missing(missing: Mapping[str, NodeError]) -> list[str]:
    return [
        failure(error.what, where=node, why=error.why, fix=error.fix) + "\n"
        for node, error in missing.items()
    ]


def as_diff(plans: Sequence[PhasePlan]) -> str:
    """Return every file that would change, whole, as a difference; other changes by a line each."""
    blocks = []
    for plan in plans:
        for item in plan.changes:
            change = item.decision
            assert isinstance(change, Change)  # noqa: S101 - `changes` holds nothing else
            head = f"[{plan.phase}] {item.target}: {change.summary}"
            blocks.append("\n".join([head, *_whole_diff(change.diff)]))
    return safe(redact("\n".join(blocks) or "no differences")) + "\n"


def _whole_diff(diff: Diff | None) -> list[str]:
    if diff is None:
        return []
    return list(difflib.unified_diff(*_sides(diff), "now", "then", lineterm=""))


def _sides(diff: Diff) -> tuple[list[str], list[str]]:
    """Return the lines of both: a secret over several is known only before they are told apart."""
    return redact(diff.before).splitlines(), redact(diff.after).splitlines()


def as_document(
    cluster: str,
    plans: Sequence[PhasePlan],
    notices: Sequence[str],
    missing: Mapping[str, NodeError] = NOBODY,
) -> dict[str, Any]:
    """Return the plan as plain data; docs/schemas/plan.json describes it."""
    return {
        "picluster": FORMAT,
        "cluster": cluster,
        "notices": list(notices),
        "changes": [_change(plan, item) for plan in plans for item in plan.changes],
        "refused": [_refusal(plan, item) for plan in plans for item in plan.blocked],
        "warnings": [_warning(plan, item) for plan in plans for item in plan.warnings],
        "missing": missing_document(missing),
        "left_out": [
            {"phase": plan.phase, "node": each.node, "stages": list(each.stages)}
            for plan in plans
            for each in plan.left_out
        ],
    }


def missing_document(missing: Mapping[str, NodeError]) -> list[dict[str, str]]:
    """Return why nodes were not looked at, as plain data."""
    return [
        {
            "target": node,
            "what": redact(error.what),
            "why": redact(error.why),
            "fix": redact(error.fix),
        }
        for node, error in missing.items()
    ]


def _phase(plan: PhasePlan, marks: Marks, *, verbose: bool) -> str:
    shown = [
        item
        for item in plan.items
        if not isinstance(item.decision, Satisfied) or item.decision.warning
    ]
    left_out = [
        f"  {marks.skipped} left out, as {each.node} is missing: {'; '.join(each.stages)}"
        for each in plan.left_out
    ]
    if not (shown or left_out):
        return ""
    alike: dict[tuple[str, ...], list[str]] = {}
    for target, items in groupby(sorted(shown, key=_target_order(plan)), lambda item: item.target):
        lines = tuple(line for item in items for line in _item(item, marks, verbose=verbose))
        alike.setdefault(lines, []).append(target)
    sections = ["\n".join([f"  {', '.join(targets)}", *lines]) for lines, targets in alike.items()]
    return "\n".join([f"[{plan.phase}] {plan.title}", *sections, *left_out]) + "\n"


def _target_order(plan: PhasePlan) -> Any:
    order = list(dict.fromkeys(item.target for item in plan.items))
    return lambda item: order.index(item.target)


def _item(item: Judged, marks: Marks, *, verbose: bool) -> list[str]:
    match item.decision:
        case Change() as change:
            risk = f" [{change.risk.name.lower().replace('_', ' ')}]" if change.risk else ""
            reason = f": {change.reason}" if change.reason else ""
            lines = [f"    {marks.changed} {change.summary}{reason}{risk}"]
            told = [f"- {told_of(each)}" for each in change.actions] if verbose else []
            return lines + [f"        {line}" for line in (*told, *_diff(change.diff))]
        case Blocked() as blocked:
            lines = [f"    {marks.failed} {item.step.title}: refused: {blocked.reason}"]
            return lines + ([f"        fix: {blocked.fix}"] if blocked.fix else [])
        case Satisfied() as satisfied:
            return [f"    {marks.warning} {satisfied.warning}"]


def _diff(diff: Diff | None) -> list[str]:
    if diff is None:
        return []
    lines = list(difflib.unified_diff(*_sides(diff), lineterm="", n=0))[2:]
    if len(lines) > _MOST_DIFF_LINES:
        left = len(lines) - _MOST_DIFF_LINES
        lines = [*lines[:_MOST_DIFF_LINES], f"… {count(left, 'more line')}"]
    return lines


def _change(plan: PhasePlan, item: Judged) -> dict[str, Any]:
    change = item.decision
    assert isinstance(change, Change)  # noqa: S101 - `changes` holds nothing else
    return {
        **_place(plan, item),
        "summary": redact(change.summary),
        "reason": redact(change.reason),
        "risk": Risk(change.risk).name.lower(),
        "diff": _diff(change.diff),
    }


def _refusal(plan: PhasePlan, item: Judged) -> dict[str, Any]:
    blocked = item.decision
    assert isinstance(blocked, Blocked)  # noqa: S101 - `blocked` holds nothing else
    return {**_place(plan, item), "reason": redact(blocked.reason), "fix": redact(blocked.fix)}


def _warning(plan: PhasePlan, item: Judged) -> dict[str, Any]:
    satisfied = item.decision
    assert isinstance(satisfied, Satisfied)  # noqa: S101 - `warnings` holds nothing else
    return {**_place(plan, item), "warning": redact(satisfied.warning)}


def _place(plan: PhasePlan, item: Judged) -> dict[str, str]:
    return {
        "phase": plan.phase,
        "target": item.target,
        "step": item.step.name,
        "title": item.step.title,
    }
