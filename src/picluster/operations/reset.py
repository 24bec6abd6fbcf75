"""The reset operation: nothing of the cluster is left on any node, and volumes only if asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from picluster.commands import Build
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.model import Cluster, Node
from picluster.model.storage import DEFAULT_PATH
from picluster.site import Site
from picluster.steps.data_directories import OF_LONGHORN, DataDeleted, DataKept
from picluster.steps.k3s.credentials_here import CredentialsForgotten, NotReached
from picluster.steps.k3s.leftovers import own_network
from picluster.steps.k3s.reset_volumes import VolumesAtReset
from picluster.steps.k3s.state import state_fact
from picluster.steps.k3s.uninstall import VOLUMES, Uninstalled
from picluster.steps.registry.removal import docker_removal, removal


def reset(*, data: bool) -> Build:
    """Return what makes the operation; with `data` the volumes are deleted too."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield _phase(site, sorted(absent), data=data)

    return build


def _phase(site: Site, absent: list[str], *, data: bool) -> Phase:
    """Agents go first, and the server that a cluster is begun with last.

    Nothing is drained: there is nowhere left for pods to go. The first stages stop nobody: one
    node that cannot be cleaned is no reason to leave others as they are.
    """
    cluster = site.cluster
    first, *others = cluster.servers
    volumes = VolumesAtReset(_uninstalled(cluster), data, _longhorn_data(cluster), absent)
    return Phase(
        "reset",
        "nothing of the cluster is on any node",
        (
            Stage("volumes are named", {CLUSTER: [volumes]}),
            Stage("agents leave", _cleaning(cluster, cluster.agents, data=data), barrier=False),
            Stage("servers leave", _cleaning(cluster, others, data=data), barrier=False),
            Stage("the last server leaves", _cleaning(cluster, [first], data=data), barrier=False),
            Stage("this computer forgets the cluster", {CLUSTER: _forgetting(site, absent)}),
        ),
    )


def _longhorn_data(cluster: Cluster) -> str:
    return cluster.longhorn.data_path if cluster.longhorn else DEFAULT_PATH


def _cleaning(cluster: Cluster, nodes: Sequence[Node], *, data: bool) -> dict[str, list[Step]]:
    return {node.name: [state_fact(), *node_cleaned(cluster, node, data=data)] for node in nodes}


def node_cleaned(cluster: Cluster, node: Node, *, data: bool) -> list[Step]:
    """Return the steps after which a node is as it was before K3s and the registry.

    The state of K3s has to be looked at with them.
    """
    steps: list[Step] = [_uninstalled(cluster), *_volumes_on_disk(cluster, data=data)]
    registry, builder, names = cluster.registry, cluster.builder, list(cluster.registry_endpoints)
    if registry is not None and registry.node == node.name:
        steps += removal(registry.volume, names, data=data)
    elif builder is not None and builder.name == node.name:
        steps += docker_removal(names)
    return steps


def _uninstalled(cluster: Cluster) -> Uninstalled:
    return Uninstalled(own_network(cluster))


def _volumes_on_disk(cluster: Cluster, *, data: bool) -> list[Step]:
    local, replicated = "the volumes of local-path", "Longhorn's replicas"
    longhorn = _longhorn_data(cluster)
    if data:
        return [DataDeleted(local, VOLUMES), DataDeleted(replicated, longhorn, OF_LONGHORN)]
    return [DataKept(local, VOLUMES), DataKept(replicated, longhorn)]


def _forgetting(site: Site, absent: list[str]) -> list[Step]:
    cluster = site.cluster
    return [
        NotReached(absent, "it is left as it is; run the reset again when it is back"),
        CredentialsForgotten(
            cluster.name,
            _uninstalled(cluster),
            tuple(node.name for node in cluster.nodes),
            site.here.credentials,
            site.user_kubeconfig,
        ),
    ]
