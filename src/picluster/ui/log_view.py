"""A recorded run as text: what happened when, and what the nodes printed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from picluster.engine.journal import RecordedRun
from picluster.ui.words import duration, safe, without


def as_text(run: RecordedRun) -> str:
    """Return one line for each event that says something, then the nodes' output."""
    lines = [f"run {run.name}  ({run.directory})"]
    lines += [line for event in run.events() if (line := _line(event))]
    output = run.output().strip()
    shown = [*lines, *(["", "output of the nodes:", output] if output else [])]
    return safe("\n".join(shown)) + "\n"


def _line(event: dict[str, Any]) -> str:
    says = _SAYS.get(str(event.get("event", "")))
    said = says(event) if says else ""
    if not said:
        return ""
    return f"{time.strftime('%H:%M:%S', time.localtime(event['at']))}  {said}"


def _finished(event: dict[str, Any]) -> str:
    if event["outcome"] == "ok" and not event["warning"]:
        return ""
    told = [event["detail"]] if event["outcome"] != "ok" else []
    told += [f"warning: {event['warning']}"] if event["warning"] else []
    text = "; ".join(filter(None, told)) or event["title"]
    return f"{event['target']}: {event['outcome']}: {text} ({duration(event['seconds'])})"


def _settled(event: dict[str, Any]) -> str:
    return f"{event['target']}: {event['step']}: {event['warning'] or 'is well by now'}"


_SAYS: dict[str, Callable[[dict[str, Any]], str]] = {
    "RunStarted": lambda event: f"{event['command']} {event['cluster']}",
    "Connected": lambda event: f"{event['target']}: connected",
    "PhaseStarted": lambda event: f"[{event['phase']}] {event['title']}",
    "StepStarted": lambda event: f"{event['target']}: {event['summary']}",
    "StepFinished": _finished,
    "WarningSettled": _settled,
    "TargetFailed": lambda event: f"{event['target']}: FAILED: {event['what']}: {event['why']}",
    "PhaseFinished": lambda event: (
        f"[{event['phase']}] {event['outcome']}{without(event.get('missing', ()))}"
    ),
    "RunFinished": lambda event: f"ended with exit code {event['exit_code']}",
}
