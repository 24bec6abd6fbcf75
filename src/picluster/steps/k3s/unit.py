"""K3s's unit as systemd sees it: one look, read into frozen data. Read-only and pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from picluster.engine.probe import Observation

_PROPERTIES = (
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "ExecMainStatus",
    "ExecMainStartTimestampMonotonic",
    "Job",
)
_MICROSECONDS = 1_000_000

_FLANNEL_NOTE = "/run/flannel/subnet.env"
_SETTLED_SECONDS = 60.0
"""K3s ends within seconds where flannel cannot make its network."""


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit: its states by systemd's names, and how its process has fared.

    `restarts` counts how often systemd started it again by itself since somebody last did, `status`
    is how its process ended last. `busy` says that a start, stop or restart is under way: the
    process that runs may still be the old one. `started` is when its process started (0 if it never
    did), `now` what time it is there, and `flannel` when flannel last had made the pods' network (0
    if never); all in seconds since 1970, the first two by the node's clock as it is now.
    """

    active: str = "unknown"
    sub: str = ""
    result: str = ""
    restarts: int = 0
    status: int = 0
    busy: bool = False
    started: float = 0.0
    now: float = math.inf
    flannel: float = 0.0

    def spans(self, moment: float) -> bool:
        """Whether a moment lies in the life of the process, to the second.

        A Pi without a battery starts with a clock that is set later: a moment to come is from
        before the clock was set back, and says nothing.
        """
        return math.floor(self.started) <= moment <= self.now + 1

    @property
    def networked(self) -> bool:
        """Whether flannel has made the pods' network since the process started.

        It notes so at each start, after it has registered its network (k3s-io/k3s
        pkg/agent/flannel/flannel.go); a kubelet is Ready before that, by the mere configuration of
        CNI. The clock may have been set since the note: a process that has lived on has a network.
        """
        return self.spans(self.flannel) or self.now - self.started >= _SETTLED_SECONDS

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
        f'echo "flannel=$(stat -c %Y {_FLANNEL_NOTE} 2>/dev/null)"\n'
    )


def read_unit(seen: Observation) -> UnitState:
    """Read what the look printed; what is missing counts as nothing."""
    began = seen.decimal("ExecMainStartTimestampMonotonic", 0) / _MICROSECONDS
    # Computed from its age: the clock may have been set since.
    age = max(0.0, seen.decimal("uptime", 0) - began)
    now = seen.decimal("now", 0)
    return UnitState(
        active=seen.text("ActiveState", "") or "unknown",
        sub=seen.text("SubState", ""),
        result=seen.text("Result", ""),
        restarts=seen.number("NRestarts", 0),
        status=seen.number("ExecMainStatus", 0),
        busy=seen.text("Job", "") not in ("", "0"),
        started=now - age if began else 0.0,
        now=now or math.inf,
        flannel=seen.decimal("flannel", 0),
    )
