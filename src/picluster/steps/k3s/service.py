"""K3s runs on the node, with what is on disk now, and the node is Ready in the cluster."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Protocol

from picluster.engine.pool import Sessions
from picluster.engine.step import (
    Blocked,
    Call,
    Change,
    Decision,
    Progress,
    Query,
    Risk,
    Run,
    Satisfied,
)
from picluster.engine.survey import Look
from picluster.errors import WaitFailed
from picluster.kube.leases import Lease
from picluster.kube.nodes import NodeState
from picluster.secret import redact
from picluster.steps.k3s import journal
from picluster.steps.k3s.state import STATE, K3sState, read_state

RUNNING = "k3s-running"
READY = "k3s-ready"

_POLL_SECONDS = 1.0
_POLLS_PER_JOURNAL = 10
_LOOKS_AT_A_CAUSE = 2
_RENEWALS = 2
_COMMAND_SECONDS = 30.0
_RESTART_SECONDS = 180.0
_INPUTS = ("k3s-config", "k3s-registries", "k3s-token", "k3s-installed")


class NodeReader(Protocol):
    """Reads one node's state from the cluster's API."""

    def node(self, name: str) -> NodeState | None:
        """Return the node's state; None if the cluster does not know it, or does not answer."""

    def lease(self, name: str) -> Lease | None:
        """Return the node's Lease; None if there is none, or the cluster does not answer."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, since when its process runs, and what time it is there.

    Both are in seconds since 1970, by the node's clock as it is now.
    """

    state: str
    started: float = 0.0
    now: float = math.inf

    def spans(self, moment: float) -> bool:
        """Whether a moment lies in the life of the process, to the second.

        A Pi without a battery starts with a clock that is set later: a moment to come is from
        before the clock was set back, and says nothing.
        """
        return math.floor(self.started) <= moment <= self.now + 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """Waits until a node runs K3s of a version and is Ready, and (servers of an HA cluster) votes.

    An empty version is any.

    A server that is Ready can still be a learner of etcd, which does not count for a majority;
    restarting another one before it votes would stop the cluster (k3s-io/k3s-ansible#485).
    """

    node: str
    unit: str
    version: str
    votes: bool
    timeout: float
    sessions: Sessions
    api: NodeReader

    def missing(self, state: NodeState | None, unit: Unit | None = None, renewals: int = 0) -> str:
        """Return what is still missing, or an empty text when the node has arrived.

        What the kubelet said before `unit` began is of its predecessor: the API goes on saying
        "Ready" until the new one says otherwise. A kubelet writes its node's status at once when it
        starts, and then only every five minutes or on a change, so a clock that was set meanwhile
        can leave its word looking old. It has spoken for itself, too, once it has renewed the Lease
        twice (`renewals`, seen since the unit began): they are ten seconds apart.
        """
        if state is None:
            return "not in the cluster yet"
        said = unit is None or state.reported is None or unit.spans(state.reported)
        if not said and renewals < _RENEWALS:
            return "has not reported since K3s started"
        if not state.ready:
            return f"not Ready: {state.ready_reason}" if state.ready_reason else "not Ready"
        if self.version and state.version != self.version:
            return f"Ready, at {state.version}"
        if self.votes and state.voter is False:
            return "Ready, and still learning etcd's data"
        return ""

    def wait(self, progress: Progress) -> None:
        """Wait at most `timeout` seconds. Raises `WaitFailed` with the cause that K3s names."""
        began = time.monotonic()
        deadline = began + self.timeout
        polls, blamed = 0, 0
        renewals: set[float] = set()
        while time.monotonic() < deadline:
            unit = self._unit()
            missing = self._look(unit, renewals) if unit.state == "active" else unit.state
            if not missing:
                return
            progress.report(f"{self.unit} on {self.node}: {missing}")
            polls += 1
            if polls % _POLLS_PER_JOURNAL == 0 and unit.state != "active":
                blamed = blamed + 1 if self._is_hopeless() else 0
                if blamed >= _LOOKS_AT_A_CAUSE:
                    raise self._failure(missing, began)
            progress.sleep(_POLL_SECONDS)
        raise self._failure(self.missing(self.api.node(self.node)) or "it was too slow", began)

    def _look(self, unit: Unit, renewals: set[float]) -> str:
        """Return what is missing now; note the renewals of the Lease that are seen meanwhile."""
        lease = self.api.lease(self.node)
        if lease is not None and unit.spans(lease.renewed):
            renewals.add(lease.renewed)
        return self.missing(self.api.node(self.node), unit, len(renewals))

    def _unit(self) -> Unit:
        """Ask the node about the unit.

        When it began is computed from its age: the clock may have been set since.
        """
        said = self._shell(
            f"systemctl is-active {self.unit} || true\n"
            f"systemctl show -p ExecMainStartTimestampMonotonic --value {self.unit}\n"
            "cut -d ' ' -f 1 /proc/uptime; date +%s"
        ).split()
        if len(said) != len(("state", "started", "uptime", "now")):
            return Unit(said[0] if said else "unknown")
        began, uptime, now = (float(each) for each in said[1:])
        return Unit(said[0], now - max(0.0, uptime - began / 1_000_000), now)

    def _journal(self) -> str:
        # Only this start's lines: yesterday's cause is not today's.
        text = f"""
id=$(systemctl show -p InvocationID --value {self.unit})
journalctl --no-pager -o cat -n 80 _SYSTEMD_INVOCATION_ID=$id + \
  INVOCATION_ID=$id 2>/dev/null || journalctl --no-pager -o cat -n 80 -u {self.unit}
"""
        return redact(self._shell(text))

    def _journal_of_all_attempts(self, began: float) -> str:
        """K3s may have ended several times meanwhile; what the last start says can be too little.

        The time is told relative to the node's own clock, whatever that shows.
        """
        waited = time.monotonic() - began
        text = f"journalctl --no-pager -o cat -n 400 -u {self.unit} --since -{waited:.0f}s"
        return redact(self._shell(text))

    def _shell(self, text: str) -> str:
        done = self.sessions.get(self.node).run(text, timeout=_COMMAND_SECONDS)
        return done.out.decode("utf-8", "replace")

    def _is_hopeless(self) -> bool:
        cause = journal.explain(self._journal())
        return cause is not None and not cause.passing

    def _failure(self, missing: str, began: float) -> WaitFailed:
        lines = self._journal()
        if journal.explain(lines) is None:
            lines = self._journal_of_all_attempts(began) or lines
        cause = journal.explain(lines)
        return WaitFailed(
            f"K3s did not come up: {missing}",
            where=self.node,
            why=cause.why if cause else f"{self.unit}'s journal names no cause that is known",
            fix=cause.fix.replace("NODE", self.node)
            if cause
            else f"look at `journalctl -u {self.unit}` on the node; if it is merely slow, raise "
            "limits.node_ready",
            evidence=journal.tail(lines),
        )


@dataclass(frozen=True, slots=True)
class Running:
    """The service runs, starts at boot, and has read what is on disk now.

    That is observed, not remembered: a run that was cut off between writing the configuration
    and restarting is repaired by the next one.
    """

    arrival: Arrival
    name: str = RUNNING

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.arrival.unit}.service runs with its present configuration"

    def probe(self) -> None:
        """The state of K3s says it all."""

    def decide(self, look: Look) -> Decision:
        """Want the unit active, enabled, and started after the last change."""
        state = read_state(look.beside(STATE))
        reason = self._reason(state, look)
        if not reason:
            return Satisfied()
        unit = self.arrival.unit
        return Change(
            f"{'restart' if state.active else 'start'} {unit}.service",
            (
                start(unit),
                Call(f"waiting for {self.arrival.node} to be Ready", self.arrival.wait),
            ),
            reason=reason,
            risk=Risk.RESTART if state.active else Risk.NONE,
            retry_safe=True,
        )

    def _reason(self, state: K3sState, look: Look) -> str:
        if look.changing(*_INPUTS):
            return "what it reads at start changes"
        if not state.active:
            return "it is stopped"
        if not state.enabled:
            return "it would not start at boot"
        return "" if state.settled else "what it read at start has changed since"


def start(unit: str) -> Run:
    """Start or restart a unit; return once the new process is begun, not when it is ready.

    A unit only counts as started once K3s is ready, which can take minutes; the wait that follows
    can say meanwhile what is missing. Without the look at the invocation it could still see the old
    process, and take that for the new one.
    """
    script = f"""
systemctl daemon-reload
systemctl enable --quiet {unit}
systemctl reset-failed {unit} 2>/dev/null || true
before=$(systemctl show -p InvocationID --value {unit})
systemctl restart --no-block {unit}
tries=0
while [ "$(systemctl show -p InvocationID --value {unit})" = "$before" ]; do
  tries=$((tries + 1))
  [ $tries -lt 400 ] || {{ echo "{unit} does not stop" >&2; exit 1; }}
  sleep 0.3
done
"""
    return Run(script, timeout=_RESTART_SECONDS)


@dataclass(frozen=True, slots=True)
class MemberStarted:
    """A server that belongs to a cluster is not left stopped.

    Servers that were all stopped need each other to start: none of them becomes Ready before a
    majority runs, so they are started together and only then waited for, one by one.
    """

    unit: str
    name: str = "k3s-member-started"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.unit}.service is not stopped"

    def probe(self) -> None:
        """The state of K3s says it all."""

    def decide(self, look: Look) -> Decision:
        """Want the unit of a server with a cluster's data running."""
        state = read_state(look.beside(STATE))
        if state.active or not state.in_cluster or state.unit != self.unit:
            return Satisfied()
        return Change(
            f"start {self.unit}.service",
            (Run(f"systemctl start --no-block {self.unit}", timeout=_COMMAND_SECONDS),),
            reason="it is stopped",
            retry_safe=True,
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """The node is Ready in the cluster, at the right version, and votes where it should."""

    arrival: Arrival
    name: str = READY

    @property
    def title(self) -> str:
        """State what is true."""
        also = " and votes" if self.arrival.votes else ""
        return f"{self.arrival.node} is Ready{also}"

    def probe(self) -> Query:
        """Ask the cluster about the node."""
        return Query(lambda: self.arrival.api.node(self.arrival.node))

    def decide(self, look: Look) -> Decision:
        """Want the node arrived; a service that is about to start is waited for already."""
        state = look.own.value
        missing = self.arrival.missing(state if isinstance(state, NodeState) else None)
        if not missing or look.changing(RUNNING):
            return Satisfied(detail=missing)
        return Change(
            f"wait until {self.arrival.node} is Ready",
            (Call(f"waiting for {self.arrival.node} to be Ready", self.arrival.wait),),
            reason=missing,
            retry_safe=True,
        )


@dataclass(frozen=True, slots=True)
class KnownMachine:
    """The machine is the one that the cluster knows by its name.

    A card that was re-flashed has lost the password that K3s made at its first start; the cluster
    would refuse it, and (a server) count a member that is no more.
    """

    node: str
    name: str = "known-machine"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.node} is the machine that the cluster knows"

    def probe(self) -> None:
        """The state of K3s and the reading of the node say it all."""

    def decide(self, look: Look) -> Decision:
        """Refuse a machine without K3s's traces while the cluster has a node of its name."""
        state = read_state(look.beside(STATE))
        registered = isinstance(look.beside(READY).value, NodeState)
        if not registered or state.password or state.joined or state.in_cluster:
            return Satisfied()
        return Blocked(
            f"the cluster has a node {self.node} already, and this machine is another one: its "
            "card was re-flashed, or two machines have one name",
            f"`picluster node replace {self.node}` takes the old one out and this one in",
        )
