"""How a cluster is: nodes as it sees them and as they fare, and what runs on it. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from picluster import commands
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Fact, Query, Script, Step
from picluster.engine.survey import CLUSTER, UNSEEN, Survey
from picluster.errors import HostKeyChanged, NodeError, PiclusterError, Unreachable
from picluster.kube.errors import ApiUnavailable
from picluster.kube.health import readyz
from picluster.kube.nodes import NodeState
from picluster.kube.votes import Votes, count_votes
from picluster.model import Cluster, Node
from picluster.phases.registry import definition
from picluster.queries.components import components_of
from picluster.site import Site
from picluster.steps.vitals import VITALS, Vitals

_NODES = "nodes"
_REGISTRY = "registry-answer"
_PARTS = "parts"
_READY = "servers-that-answer"
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
    answers = survey.get(CLUSTER, {})
    seen, parts, ready = (answers.get(each, UNSEEN).value for each in (_NODES, _PARTS, _READY))
    known: dict[str, NodeState] = seen if isinstance(seen, dict) else {}
    rows = [
        NodeStatus(
            node.name,
            node.role,
            node.address,
            _vitals(survey, node.name),
            known.get(node.name),
            _why(unreached.get(node.name)),
            asked=isinstance(seen, dict),
        )
        for node in cluster.nodes
    ]
    names = {node.name for node in cluster.nodes}
    rows += [
        NodeStatus(name, "", "", None, known[name]) for name in sorted(known) if name not in names
    ]
    registry = None
    if cluster.registry is not None:
        answer = survey.get(cluster.registry.node, {}).get(_REGISTRY, UNSEEN)
        registry = answer.out.strip() in _ANSWERS
    # It may have answered the one question and not the other.
    api = isinstance(seen, dict) and isinstance(parts, list)
    votes = None
    if cluster.is_ha and isinstance(seen, dict):
        servers, answering = [node.name for node in cluster.servers], ready or ()
        votes = count_votes(servers, answering if isinstance(answering, list) else (), known)
    return Status(cluster.name, api, tuple(rows), registry, notices, _parts(parts), votes)


def _vitals(survey: Survey, node: str) -> Vitals | None:
    value = survey.get(node, {}).get(VITALS.name, UNSEEN).value
    return value if isinstance(value, Vitals) else None


def _why(error: NodeError | None) -> str:
    """Say in one line why a node was not reached."""
    if isinstance(error, Unreachable) and error.why:
        return f"{error.what}: {error.why}"
    alarm = "SECURITY: " if isinstance(error, HostKeyChanged) else ""
    return f"{alarm}{error.what}" if error else ""


def _parts(seen: object) -> tuple[PartStatus, ...]:
    rows = seen if isinstance(seen, list) else []
    return tuple(
        PartStatus(row["name"], tuple(row["missing"]), row["url"])
        for row in rows
        if isinstance(row, dict)
    )


def _phases(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    cluster = site.cluster
    looks = {node.name: _looks(cluster, node) for node in cluster.nodes if node.name not in absent}
    nodes = Fact(_NODES, "the cluster's nodes are known", Query(site.api.nodes))
    ready = Fact(_READY, "which servers answer is known", Query(partial(_answering, site)))
    look_at = Query(partial(_look_at_components, site))
    parts = Fact(_PARTS, "what runs on the cluster is known", look_at)
    yield Phase(
        "status",
        "how the cluster is",
        (Stage("nodes", looks), Stage("API", {CLUSTER: [nodes, ready, parts]})),
    )


def _answering(site: Site) -> list[str]:
    """Return the servers whose own API is ready; one server is its API, and is not asked again."""
    if not site.cluster.is_ha:
        return []
    try:
        api = site.api.access()
    except PiclusterError:
        return []
    return [server.name for server in site.cluster.servers if readyz(api.at(server.name)).ok]


def _look_at_components(site: Site) -> list[dict[str, object]] | None:
    """Return a row for each part of the file; None while the API does not answer."""
    rows: list[dict[str, object]] = []
    try:
        for component in components_of(site):
            missing = component.missing(site.api.access())
            rows.append({"name": component.name, "missing": missing, "url": component.url})
    except ApiUnavailable:
        return None
    return rows


def _looks(cluster: Cluster, node: Node) -> list[Step]:
    looks: list[Step] = [Fact(VITALS.name, "how the machine fares is known", VITALS)]
    if cluster.registry is not None and cluster.registry.node == node.name:
        ask = "curl -sk -m 5 -o /dev/null -w '%{http_code}'"
        script = f"{ask} {definition(cluster.registry).url}/v2/ 2>/dev/null"
        looks.append(Fact(_REGISTRY, "whether the registry answers is known", Script(script)))
    return looks
