"""The rancher phase: Rancher runs, installed by K3s' own Helm controller."""

from __future__ import annotations

from picluster.apps import rancher as charts
from picluster.engine.phase import Phase, Stage
from picluster.engine.survey import CLUSTER
from picluster.phases.site import Site
from picluster.steps.manifests.applied import ObjectsApplied
from picluster.steps.manifests.rollout import RolledOut
from picluster.steps.manifests.secrets import SecretKept

_NAME = "rancher"
_APPLIED = "rancher-charts"


def rancher(site: Site) -> Phase:
    """Build the phase; for a cluster without Rancher there is nothing in it."""
    cluster, settings = site.cluster, site.cluster.rancher
    if settings is None:
        return Phase(_NAME, "there is no Rancher", ())
    replicas = settings.replicas or min(3, len(cluster.servers))
    return Phase(
        _NAME,
        f"Rancher {settings.version} runs",
        (
            Stage(
                "Rancher runs",
                {
                    CLUSTER: [
                        SecretKept(
                            name="rancher-password",
                            secret=charts.SECRET,
                            namespace=charts.NAMESPACE,
                            part=charts.PART,
                            keys=(charts.PASSWORD,),
                            generate=charts.generate,
                            api=site.api,
                            labels=charts.HELM_LABELS,
                            annotations=charts.HELM_ANNOTATIONS,
                        ),
                        ObjectsApplied(
                            name=_APPLIED,
                            title="the charts of Rancher and cert-manager are as they should be",
                            part=charts.PART,
                            source=lambda: charts.objects(settings, replicas),
                            api=site.api,
                            force=site.consents.force_conflicts,
                        ),
                        RolledOut(
                            name="rancher-runs",
                            title="Rancher and cert-manager run",
                            workloads=lambda: charts.WORKLOADS,
                            api=site.api,
                            timeout=cluster.limits.rollout,
                            after=(_APPLIED,),
                        ),
                    ]
                },
            ),
        ),
    )
