"""How a cluster is: nodes as it sees them and as they fare, and what runs on it. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from picluster import commands
from picluster.engine.phase import Phase, Stage
from picluster.engine.place import Tools
from picluster.engine.probe import ShellProbe
from picluster.engine.step import Fact, Step
from picluster.engine.survey import CLUSTER, Look, Survey
from picluster.errors import HostKeyChanged, NodeError, PiclusterError, Unreachable
from picluster.kube.errors import ApiUnavailable
from picluster.kube.health import readyz
from picluster.kube.nodes import NodeState
from picluster.kube.reach import api_of
from picluster.kube.votes import Votes, count_votes
from picluster.model import Cluster, Node, Registry
from picluster.queries.components import components_of
from picluster.site import Site
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.nodes import AskWhoLives, nodes_fact, seen_nodes
from picluster.steps.registry.container import Definition
from picluster.steps.vitals import VITALS, Vitals

_ANSWERS = ("200", "401")


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node of the file, or one that only the cluster knows (`role` is then empty).

    `vitals` is None if it cannot be reached, and `unreached` says why. `state` is None if the
    cluster does not know it, or, unless `asked`, could not be asked.
    """

    name: str
    role: str
    address: str
    vitals: Vitals | None
    state: NodeState | None
    unreached: str = ""
    asked: bool = True

    @property
    def ready(self) -> bool | None:
        """Whether it is Ready, and was heard of lately; None where that is not known."""
        if self.state is None:
            return False if self.asked else None
        return self.state.ready and self.state.alive

    @property
    def well(self) -> bool:
        """Whether it is Ready and reached, lacks nothing, and votes if it is to.

        One that only the cluster knows is not reached. That a node is cordoned is somebody's
        decision, and what throttles its processor does not stop it.
        """
        state = self.state
        if state is None or not self.ready or state.voter is False or state.pressures:
            return False
        return self.vitals is not None or not self.role

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is not well, in words."""
        reached = self.vitals is not None or not self.role
        found = [] if reached else [self.unreached or "cannot be reached"]
        if self.state is None:
            found.append("not in the cluster" if self.asked else "whether it is Ready is not known")
        else:
            found += _unready(self.state)
            if self.state.unschedulable:
                found.append("cordoned")
            if self.state.voter is False:
                found.append("does not vote")
            found += self.state.pressures
        if not self.role:
            found.append("not in the file")
        return (*found, *(self.vitals.throttling if self.vitals else ()))


def _unready(state: NodeState) -> list[str]:
    if not state.ready:
        return [f"not Ready ({state.ready_reason or 'no reason given'})"]
    if state.alive or state.life is None:
        return []
    return [f"says Ready, and was not heard of for {state.life.silent:.0f} s"]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """Storage or an application: what it lacks of running, empty if nothing; where to find it.

    `missing` has a line for each workload; `url` is empty if it has no web interface.
    """

    name: str
    missing: tuple[str, ...]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A cluster at one moment. `api` says whether it answers, `registry` is None without one.

    `votes` is None with one server, and where the API does not tell of the nodes.
    """

    cluster: str
    api: bool
    nodes: tuple[NodeStatus, ...]
    registry: bool | None
    notices: tuple[str, ...] = ()
    parts: tuple[PartStatus, ...] = ()
    votes: Votes | None = None

    @property
    def healthy(self) -> bool:
        """Whether all nodes of the file are well, and registry, storage and applications run."""
        well = all(node.well for node in self.nodes if node.role)
        running = not any(part.missing for part in self.parts)
        return self.api and well and self.registry is not False and running

    @property
    def exit_code(self) -> int:
        """0 if all is well; 4 if a node cannot be reached, 1 if something else is wrong."""
        if any(node.role and node.vitals is None for node in self.nodes):
            return 4
        return 0 if self.healthy else 1


def status(site: Site) -> Status:
    """Look once. Nodes that cannot be reached are part of the answer."""
    seen = commands.plan(site, _phases)
    return read_status(site.cluster, seen.plans[0].survey, site.notices, seen.unreached)


def read_status(
    cluster: Cluster,
    survey: Survey,
    notices: tuple[str, ...] = (),
    unreached: Mapping[str, NodeError] = MappingProxyType({}),
) -> Status:
    """Say how the cluster is, from what was seen, and why nodes were not. Pure."""
    look = Look(CLUSTER, "status", survey)
    nodes, parts = seen_nodes(look), look.find(AskComponents(cluster))
    running = parts.running if parts else None
    known = nodes or {}
    rows = [
        NodeStatus(
            node.name,
            node.role,
            node.address,
            look.find(VITALS, node.name),
            known.get(node.name),
            _why(unreached.get(node.name)),
            asked=nodes is not None,
        )
        for node in cluster.nodes
    ]
    names = {node.name for node in cluster.nodes}
    rows += [
        NodeStatus(name, "", "", None, known[name]) for name in sorted(known) if name not in names
    ]
    registry = None
    if cluster.registry is not None:
        registry = look.find(_registry(cluster.registry), cluster.registry.node) or False
    # It may have answered the one question and not the other.
    api = nodes is not None and running is not None
    votes = None
    if cluster.is_ha and nodes is not None:
        servers = tuple(node.name for node in cluster.servers)
        votes = count_votes(servers, look.find(AskServers(servers)) or (), nodes)
    return Status(cluster.name, api, tuple(rows), registry, notices, running or (), votes)


def _why(error: NodeError | None) -> str:
    """Say in one line why a node was not reached."""
    if isinstance(error, Unreachable) and error.why:
        return f"{error.what}: {error.why}"
    alarm = "SECURITY: " if isinstance(error, HostKeyChanged) else ""
    return f"{alarm}{error.what}" if error else ""


def _phases(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    cluster = site.cluster
    looks = {node.name: _looks(cluster, node) for node in cluster.nodes if node.name not in absent}
    parts = AskComponents(cluster)
    asked: list[Step] = [
        nodes_fact(AskWhoLives()),
        Fact(parts.name, "what runs on the cluster is known", parts),
    ]
    if cluster.is_ha:  # one server is its API, and is not asked again
        ready = AskServers(tuple(node.name for node in cluster.servers))
        asked.append(Fact(ready.name, "which servers answer is known", ready))
    yield Phase(
        "status", "how the cluster is", (Stage("nodes", looks), Stage("API", {CLUSTER: asked}))
    )


@dataclass(frozen=True, slots=True)
class AskServers:
    """Which of these servers answer for themselves."""

    servers: tuple[str, ...]
    name: str = "servers-that-answer"
    secret: bool = False

    def ask(self, tools: Tools) -> tuple[str, ...]:
        """Ask each; none while there is no way to the API."""
        try:
            api = tools.get(ClusterApi).access()
        except PiclusterError:
            return ()
        return tuple(server for server in self.servers if readyz(api.at(server)).ok)


@dataclass(frozen=True, slots=True)
class PartsRunning:
    """How storage and applications fare; None while the API does not answer."""

    running: tuple[PartStatus, ...] | None


@dataclass(frozen=True, slots=True)
class AskComponents:
    """How what a cluster file has of storage and applications fares."""

    cluster: Cluster
    name: str = "parts"
    secret: bool = False

    def ask(self, tools: Tools) -> PartsRunning:
        try:
            return PartsRunning(
                tuple(
                    PartStatus(each.name, each.missing(api_of(tools)), each.url)
                    for each in components_of(self.cluster)
                )
            )
        except ApiUnavailable:
            return PartsRunning(None)


def _looks(cluster: Cluster, node: Node) -> list[Step]:
    looks: list[Step] = [Fact(VITALS.name, "how the machine fares is known", VITALS)]
    if cluster.registry is not None and cluster.registry.node == node.name:
        probe = _registry(cluster.registry)
        looks.append(Fact(probe.name, "whether the registry answers is known", probe))
    return looks


def _registry(registry: Registry) -> ShellProbe[bool]:
    """Return what asks the registry, on its node, whether it answers."""
    ask = "curl -sk -m 5 -o /dev/null -w '%{http_code}'"
    return ShellProbe(
        "registry-answer",
        f"{ask} {Definition.of(registry).url}/v2/ 2>/dev/null",
        lambda seen: seen.out.strip() in _ANSWERS,
    )
