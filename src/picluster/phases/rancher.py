"""The rancher phase: Rancher runs, installed by K3s' own Helm controller."""

from __future__ import annotations

from picluster.apps.rancher import charts
from picluster.engine.phase import Phase, Stage
from picluster.engine.survey import CLUSTER
from picluster.site import Site
from picluster.steps.manifests.applied import ObjectsApplied
from picluster.steps.manifests.component import Part
from picluster.steps.manifests.rollout import RolledOut, These
from picluster.steps.manifests.secrets import SecretKept
from picluster.steps.saved_images import read_saved

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
                        SecretKept("rancher-password", charts.PASSWORD_WANTED),
                        ObjectsApplied(
                            _APPLIED,
                            "the charts of Rancher and cert-manager are as they should be",
                            Part(
                                charts.PART,
                                charts.Charts(
                                    settings, replicas, read_saved(cluster.k3s.airgap_dir)
                                ),
                                force=site.consents.force_conflicts,
                            ),
                        ),
                        RolledOut(
                            "rancher-runs",
                            "Rancher and cert-manager run",
                            These(charts.WORKLOADS),
                            cluster.limits.rollout,
                            after=(_APPLIED,),
                        ),
                    ]
                },
            ),
        ),
    )
