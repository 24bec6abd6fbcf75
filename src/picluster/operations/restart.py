"""The restart operation: K3s restarted on every node, and the cluster never without a majority."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from picluster.engine.phase import Phase, Stage, one_at_a_time
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.model import Node
from picluster.phases.k3s import arrival
from picluster.site import Site
from picluster.steps.k3s.restart import Restarted
from picluster.steps.k3s.state import state_fact
from picluster.steps.storage.stored_data import stored_data_known


def restart(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    """Make the operation."""
    cluster = site.cluster
    yield Phase(
        "restart",
        "K3s was restarted on every node",
        (
            Stage("what only one node has is known", {CLUSTER: [stored_data_known()]}),
            Stage(
                "servers restart one at a time",
                {node.name: _steps(site, node) for node in cluster.servers},
                width=one_at_a_time,
                guard=site.guard.before_disruption,
            ),
            Stage(
                "agents restart a few at a time",
                {node.name: _steps(site, node) for node in cluster.agents},
                width=lambda _: cluster.limits.max_unavailable,
            ),
        ),
    )


def _steps(site: Site, node: Node) -> list[Step]:
    any_version = replace(arrival(site, node), version="")
    return [state_fact(), Restarted(any_version)]
