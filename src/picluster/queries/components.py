"""What runs on the cluster besides Kubernetes: storage and applications, and what they lack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from picluster.apps.longhorn.manifest import WORKLOADS
from picluster.apps.rancher import charts as rancher
from picluster.apps.user_apps import workloads_among
from picluster.kube.api import Api
from picluster.kube.rollout import Workload, read_rollout
from picluster.phases.deploy import workloads
from picluster.site import Site
from picluster.steps.manifests.inventory import objects_of


@dataclass(frozen=True, slots=True)
class Component:
    """One of them. `missing` looks for what it lacks of running: a line each, none if it runs.

    `url` is where its web interface is, empty if it has none that is open.
    """

    name: str
    missing: Callable[[Api], list[str]]
    url: str = ""


def components_of(site: Site) -> Iterator[Component]:
    """Yield those of the cluster file."""
    cluster = site.cluster
    host = cluster.entrance
    longhorn, ots = cluster.longhorn, cluster.opentakserver
    if longhorn is not None:
        url = f"http://{host}:{longhorn.ui_port}" if longhorn.ui_port else ""
        yield Component("Longhorn", partial(_missing, WORKLOADS), url)
    if ots is not None:
        url = f"http://{host}:{ots.ports.web}"
        yield Component("OpenTAKServer", partial(_missing, workloads(ots)), url)
    for app in cluster.apps:
        yield Component(app.name, partial(_missing_of_app, app.name))
    if cluster.rancher is not None:
        url = f"https://{cluster.rancher.hostname}:{cluster.rancher.port}"
        yield Component("Rancher", partial(_missing, rancher.WORKLOADS), url)


def _missing(wanted: Sequence[Workload], api: Api) -> list[str]:
    found = [read_rollout(api, workload) for workload in wanted]
    return [f"{each.workload} {each.missing}" for each in found if each.missing]


def _missing_of_app(name: str, api: Api) -> list[str]:
    """Look for what was applied: manifests may be on the internet, and this is asked often."""
    applied = objects_of(api, name)
    if not applied:
        return ["was not deployed yet"]
    return _missing(workloads_among([each.manifest for each in applied]), api)
