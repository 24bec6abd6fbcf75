"""The latest events of an object: the first thing to look at when something does not come up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from picluster.errors import PiclusterError
from picluster.kube.api import Api, segment
from picluster.secret import redact

_HEAD, _TAIL = 120, 200


@dataclass(frozen=True, slots=True, order=True)
class EventLine:
    """One event; `at` is the time (ISO 8601) when it was last seen, `count` how often."""

    at: str
    kind: str
    reason: str
    message: str
    count: int = 1
    source: str = ""

    def __str__(self) -> str:
        times = f" x{self.count}" if self.count > 1 else ""
        by = f" ({self.source})" if self.source else ""
        return f"{self.at} {self.kind} {self.reason}{times}: {shortened(self.message)}{by}"


def shortened(message: str) -> str:
    """Return a message without the middle of a long one: what went wrong stands at its end."""
    cut = len(message) > _HEAD + _TAIL
    return f"{message[:_HEAD].rstrip()} … {message[-_TAIL:].lstrip()}" if cut else message


def fetch_events(
    api: Api, kind: str, name: str, *, namespace: str = "", limit: int = 10
) -> list[EventLine]:
    """Return the latest events about an object, oldest first. An empty namespace means all."""
    path = f"/api/v1/namespaces/{segment(namespace)}/events" if namespace else "/api/v1/events"
    selector = f"involvedObject.kind={kind},involvedObject.name={name}"
    listed = api.call("GET", path, query={"fieldSelector": selector})
    lines = sorted(event_line(item) for item in listed.get("items") or [])
    return lines[-limit:] if limit > 0 else []


def event_line(event: Mapping[str, Any]) -> EventLine:
    """Read one event object, of the older form (with counts) or the newer one (with series)."""
    series = event.get("series") or {}
    meta = event.get("metadata") or {}
    message = redact(" ".join(str(event.get("message") or "").split()))
    at = (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or meta.get("creationTimestamp")
    )
    return EventLine(
        at=str(at or ""),
        kind=str(event.get("type") or "Normal"),
        reason=str(event.get("reason") or ""),
        message=message,
        count=int(series.get("count") or event.get("count") or 1),
        source=str(
            (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
        ),
    )


def format_events(lines: Iterable[EventLine]) -> str:
    """Return one line per event; says so if there are none."""
    return "\n".join(str(line) for line in lines) or "no events"


def quote_events(api: Api, kind: str, name: str, *, namespace: str = "") -> str:
    """Return the latest events as evidence; says why if they cannot be read. Never raises."""
    try:
        listed = fetch_events(api, kind, name, namespace=namespace)
    except PiclusterError as error:
        return f"events of {kind} {name} could not be read: {error.why or error.what}"
    return f"events of {kind} {name}:\n{format_events(listed)}"
