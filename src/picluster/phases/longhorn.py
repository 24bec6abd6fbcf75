"""The longhorn phase: every volume is kept on several nodes, by a storage that is known to run."""

from __future__ import annotations

from picluster.apps.longhorn.manifest import CLASS, WORKLOADS, AdaptedManifest, ManifestHere
from picluster.apps.longhorn.release import NextRelease
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.model import Node
from picluster.model.storage import Longhorn
from picluster.site import Site
from picluster.steps.manifests.applied import ObjectsApplied
from picluster.steps.manifests.component import Part
from picluster.steps.manifests.rollout import RolledOut, These
from picluster.steps.storage.classes import DefaultClass
from picluster.steps.storage.disks import DataDisk
from picluster.steps.storage.readiness import FitForLonghorn

_NAME = "longhorn"
_APPLIED = "longhorn-objects"


def longhorn(site: Site) -> Phase:
    """Build the phase; for a cluster without Longhorn there is nothing in it."""
    cluster, wanted = site.cluster, site.cluster.longhorn
    if wanted is None:
        return Phase(_NAME, "there is no replicated storage", ())
    return Phase(
        _NAME,
        f"Longhorn {wanted.version} keeps {cluster.replicas} copies of every volume",
        (
            Stage(
                "nodes can carry Longhorn",
                {node.name: _on(site, wanted, node) for node in cluster.storage_nodes},
                independent=True,
            ),
            Stage("Longhorn runs", {CLUSTER: _in_cluster(site, wanted)}),
        ),
    )


def _on(site: Site, wanted: Longhorn, node: Node) -> list[Step]:
    disks = [
        DataDisk(
            node.name,
            disk,
            wanted.data_path,
            may_format=(node.name, disk.device) in site.consents.format_disks,
        )
        for disk in node.disks
    ]
    return [*disks, FitForLonghorn(node.name, wanted.data_path, mounts=bool(disks))]


def _in_cluster(site: Site, wanted: Longhorn) -> list[Step]:
    manifest = ManifestHere(wanted, site.here.cache, site.cluster.k3s.airgap_dir)

    source = AdaptedManifest(manifest, site.cluster.replicas)
    return [
        NextRelease(wanted.version),
        manifest,
        ObjectsApplied(
            _APPLIED,
            f"the objects of Longhorn {wanted.version} are as its manifest says",
            Part(_NAME, source, force=site.consents.force_conflicts),
        ),
        RolledOut(
            "longhorn-runs",
            "Longhorn's manager, CSI driver and web interface run",
            These(WORKLOADS),
            site.cluster.limits.rollout,
            after=(_APPLIED,),
        ),
        *([DefaultClass(CLASS)] if wanted.default_class else []),
    ]
