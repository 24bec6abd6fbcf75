"""What runs on the cluster besides Kubernetes: storage and applications, and what they lack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from picluster.apps.longhorn.manifest import WORKLOADS
from picluster.apps.opentakserver.manifests import workloads
from picluster.apps.rancher import charts as rancher
from picluster.apps.user_apps import workloads_among
from picluster.kube.api import Api
from picluster.kube.rollout import read_rollout
from picluster.kube.workload import Workload
from picluster.model import Cluster
from picluster.steps.manifests.inventory import objects_of


@dataclass(frozen=True, slots=True)
class Component:
    """One of them: its workloads, or those of what was `applied` under a name.

    `url` is where its web interface is, empty if it has none that is open.
    """

    name: str
    workloads: tuple[Workload, ...] = ()
    url: str = ""
    applied: str = ""

    def missing(self, api: Api) -> tuple[str, ...]:
        """Look for what it lacks of running: a line each, none if it runs."""
        return _missing_of_app(self.applied, api) if self.applied else _missing(self.workloads, api)


def components_of(cluster: Cluster) -> Iterator[Component]:
    """Yield those of the cluster file."""
    host = cluster.entrance
    longhorn, ots = cluster.longhorn, cluster.opentakserver
    if longhorn is not None:
        url = f"http://{host}:{longhorn.ui_port}" if longhorn.ui_port else ""
        yield Component("Longhorn", tuple(WORKLOADS), url)
    if ots is not None:
        url = f"http://{host}:{ots.ports.web}"
        yield Component("OpenTAKServer", tuple(workloads(ots)), url)
    for app in cluster.apps:
        yield Component(app.name, applied=app.name)
    if cluster.rancher is not None:
        url = f"https://{cluster.rancher.hostname}:{cluster.rancher.port}"
        yield Component("Rancher", tuple(rancher.WORKLOADS), url)


def _missing(wanted: Sequence[Workload], api: Api) -> tuple[str, ...]:
    found = [read_rollout(api, workload) for workload in wanted]
    return tuple(f"{each.workload} {each.missing}" for each in found if each.missing)


def _missing_of_app(name: str, api: Api) -> tuple[str, ...]:
    """Look for what was applied: manifests may be on the internet, and this is asked often."""
    applied = objects_of(api, name)
    if not applied:
        return ("was not deployed yet",)
    return _missing(workloads_among([each.manifest for each in applied]), api)
