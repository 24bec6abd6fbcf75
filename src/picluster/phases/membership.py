"""Operations on one node: taken out of the cluster, or replaced by a re-flashed machine."""

from __future__ import annotations

from collections.abc import Iterator

from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.model import Node
from picluster.phases.commands import Build
from picluster.phases.k3s import k3s
from picluster.phases.preflight import preflight
from picluster.phases.prepare import prepare
from picluster.phases.reset import node_cleaned
from picluster.phases.site import Site
from picluster.steps.k3s import paths
from picluster.steps.k3s.farewell import NotReached
from picluster.steps.k3s.removal import Departed, Evacuated, Fresh, Stopped
from picluster.steps.k3s.state import state_fact


def replace(node: str) -> Build:
    """Return what makes a re-flashed machine the node that the cluster lost."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield _forgotten(site, node)
        yield preflight(site.cluster)
        yield prepare(site.cluster, guard=site.quorum_guard)
        yield k3s(site)

    return build


def remove(node: str, *, data: bool) -> Build:
    """Return what takes a node out of its cluster and cleans it; the cluster lives on.

    A node that cannot be reached, or is not in the file any more, is taken out all the same; what
    is on the machine stays.
    """

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        known = {each.name: each for each in site.cluster.nodes}
        reachable = known.get(node) if node not in absent else None
        yield _removed(site, node, reachable, data=data)

    return build


def _removed(site: Site, node: str, machine: Node | None, *, data: bool) -> Phase:
    """K3s is stopped between the two: a node that runs would register again."""

    def guard(_: str) -> None:
        site.removal_guard(node)

    leaving = [Evacuated(node, site.cluster.limits.drain, site.api)]
    gone: list[Step] = [Departed(node, site.api)]
    if machine is None:
        gone.append(NotReached([node], "what is on the machine is left as it is"))
        return _removal(node, [Stage("it is forgotten", {CLUSTER: [*leaving, *gone]}, guard=guard)])
    stopping: list[Step] = [state_fact(), Stopped(paths.unit(machine.role))]
    return _removal(
        node,
        [
            Stage("pods leave", {CLUSTER: leaving}, guard=guard),
            Stage("K3s stops", {node: stopping}, guard=guard),
            Stage("it is forgotten", {CLUSTER: gone}, guard=guard),
            Stage("the machine is cleaned", {node: node_cleaned(site.cluster, machine, data=data)}),
        ],
    )


def _removal(node: str, stages: list[Stage]) -> Phase:
    return Phase("remove", f"{node} is out of the cluster", tuple(stages))


def _forgotten(site: Site, node: str) -> Phase:
    return Phase(
        "replace",
        f"the cluster has forgotten the former {node}",
        (
            Stage("the machine is fresh", {node: [state_fact()]}),
            Stage(
                "the former one is out of the cluster",
                {CLUSTER: [Fresh(node), Departed(node, site.api)]},
                guard=lambda _: site.removal_guard(node),
            ),
        ),
    )
