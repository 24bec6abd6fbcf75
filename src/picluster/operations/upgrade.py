"""The upgrade operation: every node runs the file's version of K3s, and the cluster stays up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Blocked, Decision, Inferred, Satisfied, Step
from picluster.engine.survey import CLUSTER, Look
from picluster.model.releases import ladder, parse_version, reasons
from picluster.phases.k3s import k3s
from picluster.phases.preflight import preflight
from picluster.site import Site
from picluster.steps.k3s.credentials_here import NotReached
from picluster.steps.k3s.release_in_file import ReleaseInFile
from picluster.steps.k3s.state import STATE


def upgrade(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    """Bring the nodes to every release on the way to the file's, one after the other.

    The next one is begun once all nodes that are there run the one before. Where an upgrade was cut
    off, the oldest K3s says how much of the way is left.
    """
    for stop in _way(site):
        yield from _to(stop, site, absent)


def next_stop(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    """Tell of the whole way and do its first part: the others depend on what that leaves."""
    stop = _way(site)[0]
    known = Stage("the way is known", {CLUSTER: [OnTheWay(stop)]})
    yield Phase("upgrade", f"K3s becomes {site.cluster.k3s.version}", (known,))
    yield from _to(stop, site, absent)


@dataclass(frozen=True, slots=True)
class Stop:
    """A release on the way: `number` counts from 1 to `of`; `why` says why there is more than one.

    `further` are those that come after it.
    """

    release: str
    number: int
    of: int
    further: tuple[str, ...]
    why: tuple[str, ...]


def way(installed: Sequence[str], wanted: str) -> tuple[Stop, ...]:
    """Return the stops from the oldest of the installed releases to the wanted one.

    Where there is no way, or nothing is known of what is installed, the wanted one is the only
    stop: that it cannot be is found out at the nodes.
    """
    known = [version for version in installed if parse_version(version)]
    oldest = min(known, key=lambda version: parse_version(version) or (), default=wanted)
    stops = ladder(oldest, wanted) or (wanted,)
    why = reasons(oldest, wanted)
    return tuple(
        Stop(release, number, len(stops), stops[number:], why)
        for number, release in enumerate(stops, 1)
    )


def _way(site: Site) -> tuple[Stop, ...]:
    ours = {node.name for node in site.cluster.nodes}
    seen = site.api.nodes() or {}
    installed = [state.version for name, state in seen.items() if name in ours]
    return way(installed, site.cluster.k3s.version)


def _to(stop: Stop, site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    """Check the nodes, then do what the k3s phase does, on a cluster that exists already.

    There is one way to bring K3s to a version, that of `up`: the artifacts lie on every node and
    the data is saved before the first server restarts; servers go one at a time under the quorum
    guard, agents a few at a time; each is drained before and uncordoned after. What an earlier
    upgrade did is not done again.
    """
    in_file = ReleaseInFile(site.file, site.cluster.k3s.version)
    wanted = site.cluster.k3s.model_copy(update={"version": stop.release})
    site = replace(site, cluster=site.cluster.model_copy(update={"k3s": wanted}))
    yield preflight(site.cluster)
    phase, servers = k3s(site), tuple(node.name for node in site.cluster.servers)
    counted = f" (stop {stop.number} of {stop.of})" if stop.of > 1 else ""
    yield replace(
        phase,
        name="upgrade",
        title=f"every node runs K3s {stop.release}{counted}",
        stages=(
            Stage("there is a cluster", {CLUSTER: [ClusterExists(servers)]}),
            Stage("who keeps the version", {CLUSTER: [_left_behind(site, absent)]}),
            Stage("the cluster file says where it goes", {CLUSTER: [in_file]}),
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
class OnTheWay(Inferred):
    """Says at which stop the upgrade is, and what comes after it."""

    stop: Stop
    name: str = "upgrade-way"
    title: str = "the way of the upgrade is known"

    def decide(self, look: Look) -> Decision:
        stop = self.stop
        if not stop.further:
            return Satisfied()
        return Satisfied(
            warning=f"K3s goes to {stop.further[-1]} by way of "
            f"{', '.join((stop.release, *stop.further[:-1]))}: {'; '.join(stop.why)}"
        )


@dataclass(frozen=True, slots=True)
class ClusterExists(Inferred):
    """An upgrade is of a cluster that is there."""

    servers: tuple[str, ...]
    name: str = "cluster-exists"
    title: str = "there is a cluster to upgrade"

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
