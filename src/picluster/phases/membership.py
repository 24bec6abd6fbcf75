"""Operations on one node: taken out of the cluster, or replaced by a re-flashed machine."""

from __future__ import annotations

from collections.abc import Iterator

from picluster.engine.phase import Phase, Stage
from picluster.engine.survey import CLUSTER
from picluster.phases.commands import Build
from picluster.phases.k3s import k3s
from picluster.phases.preflight import preflight
from picluster.phases.prepare import prepare
from picluster.phases.site import Site
from picluster.steps.k3s.removal import Departed, Fresh
from picluster.steps.k3s.state import state_fact


def replace(node: str) -> Build:
    """Return what makes a re-flashed machine the node that the cluster lost."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield _forgotten(site, node)
        yield preflight(site.cluster)
        yield prepare(site.cluster, guard=site.quorum_guard)
        yield k3s(site)

    return build


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
