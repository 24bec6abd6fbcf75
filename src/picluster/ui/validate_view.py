"""What `validate` found: every check on every node, and the verdict."""

from __future__ import annotations

from typing import Any

from picluster.engine.plan import Judged, PhasePlan
from picluster.engine.step import Blocked, Change, Satisfied
from picluster.queries.validate import Verdict
from picluster.secret import redact
from picluster.ui.plan_view import missing_document
from picluster.ui.words import Marks, count, safe

FORMAT = 1


def as_text(verdict: Verdict, marks: Marks) -> str:
    """Return the checklist, node by node, and one line that sums it up."""
    lines: list[str] = []
    targets = (item.target for plan in verdict.plans for item in plan.items)
    for target in dict.fromkeys(targets):
        lines.append(target)
        for plan in verdict.plans:
            lines += _section(plan, target, marks)
        lines.append("")
    for node, error in verdict.missing.items():
        fix = [f"      fix: {error.fix}"] if error.fix else []
        why = f": {error.why}" if error.why else ""
        lines += [node, f"  {marks.failed} {error.what}{why}", *fix, ""]
    lines.append(_summary(verdict))
    lines += [f"NOTE: {notice}" for notice in verdict.notices]
    return safe(redact("\n".join(lines))) + "\n"


def as_document(verdict: Verdict) -> dict[str, Any]:
    """Return the same as plain data; docs/schemas/validate.json describes it."""
    return {
        "picluster": FORMAT,
        "cluster": verdict.cluster,
        "ok": verdict.exit_code == 0,
        "installed": verdict.installed,
        "exit_code": verdict.exit_code,
        "notices": list(verdict.notices),
        "checks": [_check(plan, item) for plan in verdict.plans for item in plan.items],
        "missing": missing_document(verdict.missing),
    }


def _section(plan: PhasePlan, target: str, marks: Marks) -> list[str]:
    """Show every preflight check, but of what picluster has made so only what is not so."""
    items = [item for item in plan.items if item.target == target]
    if plan.phase == "preflight":
        return [line for item in items for line in _lines(item, marks)]
    quiet = [item for item in items if _is_fine(item)]
    loud = [line for item in items if not _is_fine(item) for line in _lines(item, marks)]
    summary = f"  {marks.ok} {plan.phase}: {count(len(quiet), 'thing')} as the file says"
    return [summary, *loud] if quiet else loud


def _is_fine(item: Judged) -> bool:
    return isinstance(item.decision, Satisfied) and not item.decision.warning


def _lines(item: Judged, marks: Marks) -> list[str]:
    match item.decision:
        case Blocked() as blocked:
            fix = [f"      fix: {blocked.fix}"] if blocked.fix else []
            return [f"  {marks.failed} {item.step.title}: {blocked.reason}", *fix]
        case Change() as change:
            return [f"  {marks.failed} {item.step.title}: {change.reason or change.summary}"]
        case Satisfied() as satisfied if satisfied.warning:
            return [f"  {marks.warning} {item.step.title}: {satisfied.warning}"]
        case Satisfied() as satisfied:
            detail = f": {satisfied.detail}" if satisfied.detail else ""
            return [f"  {marks.ok} {item.step.title}{detail}"]


def _check(plan: PhasePlan, item: Judged) -> dict[str, str]:
    place = {
        "phase": plan.phase,
        "target": item.target,
        "check": item.step.name,
        "title": item.step.title,
    }
    match item.decision:
        case Blocked() as blocked:
            return place | {
                "outcome": "refused",
                "says": redact(blocked.reason),
                "fix": blocked.fix,
            }
        case Change() as change:
            said = redact(change.reason or change.summary)
            return place | {"outcome": "differs", "says": said, "fix": "picluster up"}
        case Satisfied() as satisfied if satisfied.warning:
            return place | {"outcome": "warning", "says": redact(satisfied.warning), "fix": ""}
        case Satisfied() as satisfied:
            return place | {"outcome": "ok", "says": redact(satisfied.detail), "fix": ""}


def _summary(verdict: Verdict) -> str:
    if not verdict.missing:
        return _summary_of_the_seen(verdict)
    return f"not looked at: {', '.join(verdict.missing)}; else: {_summary_of_the_seen(verdict)}"


def _summary_of_the_seen(verdict: Verdict) -> str:
    if verdict.refused:
        return f"not fit: {count(verdict.refused, 'check')} refused; see the fixes above"
    if not verdict.installed:
        return "fit for `picluster up`; there is no cluster on these nodes yet"
    if verdict.differing:
        return (
            f"the cluster is not as its file says: {count(verdict.differing, 'difference')}; "
            "`picluster plan` shows them, `picluster up` repairs them"
        )
    return "the cluster is up, and as the file says"
