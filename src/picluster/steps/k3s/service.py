"""K3s runs on the node, with what is on disk now, and the node is Ready in the cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from picluster.engine.place import Place, Tools
from picluster.engine.step import Blocked, Change, Decision, Inferred, Risk, Run, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import wait_until
from picluster.kube.leases import Lease
from picluster.kube.nodes import NodeState
from picluster.model.releases import parse_version
from picluster.steps.k3s.state import STATE, K3sState
from picluster.steps.k3s.unit import UnitState
from picluster.steps.k3s.watch import Watch, judge

RUNNING = "k3s-running"
READY = "k3s-ready"

_POLL_SECONDS = 1.0
_RENEWALS = 2
_TELLS_SINCE = (1, 28, 4, 0)
_COMMAND_SECONDS = 30.0
_INPUTS = (
    "k3s-config",
    "k3s-registries",
    "k3s-token",
    "k3s-installed",
    "k3s-proxy",
    "k3s-proxy-unit",
)


@runtime_checkable
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
    """A node runs K3s of a version and is Ready, and (servers of an HA cluster) votes.

    An empty version is any; `timeout` is how long it may take, in seconds; `flannel` is whether
    flannel makes the pods' network.

    A server that is Ready can still be a learner of etcd, which does not count for a majority;
    restarting another one before it votes would stop the cluster (k3s-io/k3s-ansible#485).
    """

    node: str
    unit: str
    version: str
    votes: bool
    timeout: float
    flannel: bool = False

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
        lacking = self._lacking(state, unit)
        return f"Ready, {lacking}" if lacking else ""

    def _lacking(self, state: NodeState, unit: UnitState | None) -> str:
        """Return what a node that says Ready still lacks."""
        if self.version and state.version != self.version:
            return f"at {state.version}"
        if self.flannel and unit is not None and not unit.networked:
            return "and its pods have no network yet"
        if self.votes and state.voter is False:
            return "and still learning etcd's data"
        if self.votes and state.voter is None and _tells_who_votes(state.version):
            return "and K3s does not tell yet whether it votes"
        return ""

    def follow(self, place: Place) -> None:
        """Wait until it is so. Raises `WaitFailed` with the cause that K3s names."""
        renewals: set[float] = set()
        api = reader_of(place)

        def missing(unit: UnitState) -> str:
            """Note the renewals of the Lease that are seen meanwhile."""
            if unit.words:
                return unit.words
            lease = api.lease(self.node)
            if lease is not None and unit.spans(lease.renewed):
                renewals.add(lease.renewed)
            return self.missing(api.find(self.node), unit, len(renewals))

        self.follow_while(missing, place)

    def follow_while(self, missing: Callable[[UnitState], str], place: Place) -> None:
        """Wait, as `follow` does, while `missing` says what is; it may raise `PiclusterError`s."""
        watch = Watch(self.node, self.unit, place.sessions, place.progress.clock, missing)
        wait_until(
            "K3s did not come up",
            watch.look,
            judge,
            timeout=self.timeout,
            progress=place.progress,
            interval=_POLL_SECONDS,
            where=self.node,
            fix=f"look at `journalctl -u {self.unit}` on the node; if it is merely slow, raise "
            "limits.node_ready",
            evidence=watch.evidence,
        )


def _tells_who_votes(version: str) -> bool:
    """Whether K3s of a version has the condition `EtcdIsVoter` (k3s-io/k3s#8033, #9048).

    A real server of 1.36 that joined beside another was Ready some seconds before it had it.
    """
    read = parse_version(version)
    return read is not None and read >= _TELLS_SINCE


def reader_of(place: Place) -> NodeReader:
    """Return what reads the cluster's nodes."""
    return place.tools.get(NodeReader)  # type: ignore[type-abstract]  # python/mypy#4717


@dataclass(frozen=True, slots=True)
class AwaitArrival:
    """Wait until a node has arrived."""

    arrival: Arrival

    @property
    def title(self) -> str:
        return f"waiting for {self.arrival.node} to be Ready"

    def perform(self, place: Place) -> None:
        """Wait. Raises `WaitFailed` with the cause that K3s names."""
        self.arrival.follow(place)


@dataclass(frozen=True, slots=True)
class Registered:
    """What the cluster says of a node; None if it does not know it, or does not answer."""

    state: NodeState | None


@dataclass(frozen=True, slots=True)
class NodeReading:
    """What the cluster says of a node."""

    node: str
    name: str = READY
    secret: bool = False

    def ask(self, tools: Tools) -> Registered:
        return Registered(tools.get(NodeReader).node(self.node))  # type: ignore[type-abstract]


@dataclass(frozen=True, slots=True)
class Running(Inferred):
    """The service runs, starts at boot, and has read what is on disk now.

    That is observed, not remembered: a run that was cut off between writing the configuration
    and restarting is repaired by the next one.
    """

    arrival: Arrival
    name: str = RUNNING

    @property
    def title(self) -> str:
        return f"{self.arrival.unit}.service runs with its present configuration"

    def decide(self, look: Look) -> Decision:
        """Want the unit active, enabled, and started after the last change."""
        state = look.read(STATE)
        reason = self._reason(state, look)
        if not reason:
            return Satisfied()
        unit = self.arrival.unit
        return Change(
            f"{'restart' if state.active else 'start'} {unit}.service",
            (start(unit), AwaitArrival(self.arrival)),
            reason=reason,
            risk=Risk.RESTART if state.active else Risk.NONE,
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
class MemberStarted(Inferred):
    """A server that belongs to a cluster is not left stopped.

    Servers that were all stopped need each other to start: none of them becomes Ready before a
    majority runs, so they are started together and only then waited for, one by one. One that is
    still stopping starts after that, by systemd's order; it is not asked again, as it shows nothing
    of that yet.
    """

    unit: str
    name: str = "k3s-member-started"

    @property
    def title(self) -> str:
        return f"{self.unit}.service is not stopped"

    def decide(self, look: Look) -> Decision:
        state = look.read(STATE)
        if state.active or not state.in_cluster or state.unit != self.unit:
            return Satisfied()
        return Change(
            f"start {self.unit}.service",
            (Run(f"systemctl start --no-block {self.unit}", timeout=_COMMAND_SECONDS),),
            reason="it is stopped",
            once=True,
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """The node is Ready in the cluster, at the right version, and votes where it should."""

    arrival: Arrival
    name: str = READY

    @property
    def title(self) -> str:
        also = " and votes" if self.arrival.votes else ""
        return f"{self.arrival.node} is Ready{also}"

    def probe(self) -> NodeReading:
        return NodeReading(self.arrival.node)

    def decide(self, look: Look) -> Decision:
        """Want the node arrived; a service that is about to start is waited for already."""
        missing = self.arrival.missing(look.read(self.probe()).state)
        if not missing or look.changing(RUNNING):
            return Satisfied(detail=missing)
        return Change(
            f"wait until {self.arrival.node} is Ready",
            (AwaitArrival(self.arrival),),
            reason=missing,
        )


@dataclass(frozen=True, slots=True)
class KnownMachine(Inferred):
    """The machine is the one that the cluster knows by its name.

    A card that was re-flashed has lost the password that K3s made at its first start; the cluster
    would refuse it, and (a server) count a member that is no more.
    """

    node: str
    name: str = "known-machine"

    @property
    def title(self) -> str:
        return f"{self.node} is the machine that the cluster knows"

    def decide(self, look: Look) -> Decision:
        """Refuse a machine without K3s's traces while the cluster has a node of its name."""
        state = look.read(STATE)
        registered = look.read(NodeReading(self.node)).state is not None
        if not registered or state.password or state.joined or state.in_cluster:
            return Satisfied()
        return Blocked(
            f"the cluster has a node {self.node} already, and this machine is another one: its "
            "card was re-flashed, or two machines have one name",
            f"`picluster node replace {self.node}` takes the old one out and this one in",
        )
