"""The upgrade operation: every node runs the file's version of K3s, and the cluster stays up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Blocked, Decision, Satisfied, Step
from picluster.engine.survey import CLUSTER, Look
from picluster.phases.k3s import k3s
from picluster.phases.preflight import preflight
from picluster.site import Site
from picluster.steps.k3s.credentials_here import NotReached
from picluster.steps.k3s.state import STATE


def upgrade(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    """Check the nodes, then do what the k3s phase does, on a cluster that exists already.

    There is one way to bring K3s to a version, that of `up`: the artifacts lie on every node and
    the data is saved before the first server restarts; servers go one at a time under the quorum
    guard, agents a few at a time; each is drained before and uncordoned after. What an earlier
    upgrade did is not done again.
    """
    yield preflight(site.cluster)
    phase, servers = k3s(site), tuple(node.name for node in site.cluster.servers)
    yield replace(
        phase,
        name="upgrade",
        title=f"every node runs K3s {site.cluster.k3s.version}",
        stages=(
            Stage("there is a cluster", {CLUSTER: [ClusterExists(servers)]}),
            Stage("who keeps the version", {CLUSTER: [_left_behind(site, absent)]}),
            *phase.stages,
        ),
    )


def _left_behind(site: Site, absent: frozenset[str]) -> Step:
    """Return the step that says which agents keep the version that they have.

    Kubernetes lets an agent be older than the servers:
    https://kubernetes.io/releases/version-skew-policy/
    """
    agents = [node.name for node in site.cluster.agents if node.name in absent]
    consequence = "it keeps its version of K3s, as an agent may; upgrade again when it is back"
    return NotReached(agents, consequence)


@dataclass(frozen=True, slots=True)
class ClusterExists:
    """An upgrade is of a cluster that is there."""

    servers: tuple[str, ...]
    name: str = "cluster-exists"
    title: str = "there is a cluster to upgrade"

    def probe(self) -> None:
        """The state of K3s on the nodes says it."""

    def decide(self, look: Look) -> Decision:
        """Refuse where no server holds a cluster's data, and say if not all were seen."""
        seen = look.every(STATE)
        if any(state.in_cluster for state in seen.values()):
            return Satisfied()
        unseen = tuple(server for server in self.servers if server not in seen)
        if unseen:
            return Blocked(
                f"no server that is there holds a cluster, and {', '.join(unseen)} cannot be asked",
                f"bring {', '.join(unseen)} back",
                missing=unseen,
            )
        return Blocked("no server holds a cluster yet", "bring it up first: `picluster up`")
