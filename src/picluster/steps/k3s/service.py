"""K3s runs on the node, with what is on disk now, and the node is Ready in the cluster."""

from __future__ import annotations

from collections.abc import Callable
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
from picluster.engine.waiting import wait_until
from picluster.kube.leases import Lease
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.state import STATE, K3sState, read_state
from picluster.steps.k3s.unit import UnitState
from picluster.steps.k3s.watch import Watch, judge

RUNNING = "k3s-running"
READY = "k3s-ready"

_POLL_SECONDS = 1.0
_RENEWALS = 2
_COMMAND_SECONDS = 30.0
_INPUTS = ("k3s-config", "k3s-registries", "k3s-token", "k3s-installed")


class NodeReader(Protocol):
    """Reads one node's state from the cluster's API."""

    def node(self, name: str) -> NodeState | None:
        """Return the node's state; None if the cluster does not know it, or does not answer."""

    def find(self, name: str) -> NodeState | None:
        """Return it as of now; None if the cluster does not know it. Raises a `PiclusterError`."""

    def lease(self, name: str) -> Lease | None:
        """Return the node's Lease; None if there is none, or the cluster does not answer."""


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

    def missing(
        self, state: NodeState | None, unit: UnitState | None = None, renewals: int = 0
    ) -> str:
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
        renewals: set[float] = set()
        self.wait_while(lambda unit: unit.words or self._missing_now(unit, renewals), progress)

    def wait_while(self, missing: Callable[[UnitState], str], progress: Progress) -> None:
        """Wait, as `wait` does, while `missing` returns what is; it may raise `PiclusterError`s."""
        watch = Watch(self.node, self.unit, self.sessions, progress.clock, missing)
        wait_until(
            "K3s did not come up",
            watch.look,
            judge,
            timeout=self.timeout,
            progress=progress,
            interval=_POLL_SECONDS,
            where=self.node,
            fix=f"look at `journalctl -u {self.unit}` on the node; if it is merely slow, raise "
            "limits.node_ready",
            evidence=watch.evidence,
        )

    def _missing_now(self, unit: UnitState, renewals: set[float]) -> str:
        """Return what is missing; note the renewals of the Lease that are seen meanwhile."""
        lease = self.api.lease(self.node)
        if lease is not None and unit.spans(lease.renewed):
            renewals.add(lease.renewed)
        return self.missing(self.api.find(self.node), unit, len(renewals))


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
    """Have a unit start or restart; the wait that follows says what it is doing meanwhile.

    A unit only counts as started once K3s is ready, which can take minutes. Until then systemd
    shows a job for it, by which the wait tells the old process from the new one. `reset-failed`
    also sets systemd's count of restarts to zero.
    """
    script = f"""
systemctl daemon-reload
systemctl enable --quiet {unit}
systemctl reset-failed {unit} 2>/dev/null || true
systemctl restart --no-block {unit}
"""
    return Run(script, timeout=_COMMAND_SECONDS)


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
