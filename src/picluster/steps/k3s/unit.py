"""K3s's unit as systemd sees it: one look, read into frozen data. Read-only and pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

_PROPERTIES = (
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "ExecMainStatus",
    "ExecMainStartTimestampMonotonic",
    "InvocationID",
    "Job",
)
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit: its states by systemd's names, and how its process has fared.

    `restarts` counts how often systemd started it again by itself since somebody last did, `status`
    is how its process ended last. `busy` says that a start, stop or restart is under way: the
    process that runs may still be the old one. `started` is when its process started (0 if it never
    did), `now` what time it is there; both in seconds since 1970 by the node's clock as it is now.
    """

    active: str = "unknown"
    sub: str = ""
    result: str = ""
    restarts: int = 0
    status: int = 0
    invocation: str = ""
    busy: bool = False
    started: float = 0.0
    now: float = math.inf

    def spans(self, moment: float) -> bool:
        """Whether a moment lies in the life of the process, to the second.

        A Pi without a battery starts with a clock that is set later: a moment to come is from
        before the clock was set back, and says nothing.
        """
        return math.floor(self.started) <= moment <= self.now + 1

    @property
    def runs(self) -> bool:
        """Whether it is up, and nothing is about to change that."""
        return self.active == "active" and not self.busy

    @property
    def words(self) -> str:
        """Say what it is doing; empty if it runs."""
        if self.runs:
            return ""
        if self.sub == "auto-restart":
            return f"ended with status {self.status}; systemd is about to start it again"
        if self.active == "active":
            return "about to be restarted"
        plain = {"activating": "starting", "deactivating": "stopping", "inactive": "stopped"}
        word = plain.get(self.active, self.active)
        return f"{word} ({self.result})" if self.active == "failed" and self.result else word


def look_at(unit: str) -> str:
    """Return shell that prints what `read_unit` reads."""
    properties = " ".join(f"-p {name}" for name in _PROPERTIES)
    return (
        f"systemctl show {properties} {unit}\n"
        'echo "uptime=$(cut -d " " -f 1 /proc/uptime)"\necho "now=$(date +%s)"\n'
    )


def read_unit(facts: Mapping[str, str]) -> UnitState:
    """Read what the look printed; what is missing or no number counts as nothing."""
    began = _number(facts.get("ExecMainStartTimestampMonotonic")) / _MICROSECONDS
    # Computed from its age: the clock may have been set since.
    age = max(0.0, _number(facts.get("uptime")) - began)
    now = _number(facts.get("now"))
    return UnitState(
        active=facts.get("ActiveState") or "unknown",
        sub=facts.get("SubState", ""),
        result=facts.get("Result", ""),
        restarts=int(_number(facts.get("NRestarts"))),
        status=int(_number(facts.get("ExecMainStatus"))),
        invocation=facts.get("InvocationID", ""),
        busy=facts.get("Job", "") not in ("", "0"),
        started=now - age if began else 0.0,
        now=now or math.inf,
    )


def _number(text: str | None) -> float:
    return float(text) if text and re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text) else 0.0
