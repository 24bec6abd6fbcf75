"""Where the API keeps objects of each kind: known ones by heart, others as the API tells."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.kube.api import Api, Object, segment
from picluster.kube.errors import NotFound


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object as paths name it."""

    plural: str
    namespaced: bool


def kind_of(api: Api, api_version: str, kind: str) -> Kind:
    """Return how paths name a kind; asks the API (one request) only for kinds not known here.

    Raises `NotFound` if the cluster has no such kind, for instance before its CRD is applied.
    """
    known = KNOWN.get((api_version, kind))
    if known is not None:
        return known
    listed = api.call("GET", group_path(api_version))
    for resource in listed.get("resources") or []:
        if resource.get("kind") == kind and "/" not in resource.get("name", ""):
            return Kind(resource["name"], bool(resource.get("namespaced")))
    raise NotFound(
        f"objects of kind {kind}",
        status=404,
        reason="NotFound",
        message=f"{api_version} has no kind {kind} in this cluster",
        fix="apply its CustomResourceDefinition first",
    )


def group_path(api_version: str) -> str:
    """Return where the API serves a group's version: `v1` is special, others are under `/apis`."""
    return "/api/v1" if api_version == "v1" else f"/apis/{api_version}"


def object_path(api: Api, manifest: Object) -> str:
    """Return the path of the object that a manifest describes. A namespace is required in it
    where the kind has one; `default` is assumed otherwise, as kubectl does.
    """
    meta = manifest["metadata"]
    kind = kind_of(api, manifest["apiVersion"], manifest["kind"])
    path = group_path(manifest["apiVersion"])
    if kind.namespaced:
        path += f"/namespaces/{segment(meta.get('namespace') or 'default')}"
    return f"{path}/{kind.plural}/{segment(meta['name'])}"


_NAMESPACED = {
    "v1": "ConfigMap configmaps Endpoints endpoints Event events PersistentVolumeClaim"
    " persistentvolumeclaims Pod pods Secret secrets Service services ServiceAccount"
    " serviceaccounts",
    "apps/v1": "DaemonSet daemonsets Deployment deployments StatefulSet statefulsets",
    "batch/v1": "CronJob cronjobs Job jobs",
    "networking.k8s.io/v1": "Ingress ingresses NetworkPolicy networkpolicies",
    "policy/v1": "PodDisruptionBudget poddisruptionbudgets",
    "rbac.authorization.k8s.io/v1": "Role roles RoleBinding rolebindings",
}
_CLUSTER_WIDE = {
    "v1": "Namespace namespaces Node nodes PersistentVolume persistentvolumes",
    "apiextensions.k8s.io/v1": "CustomResourceDefinition customresourcedefinitions",
    "rbac.authorization.k8s.io/v1": "ClusterRole clusterroles ClusterRoleBinding"
    " clusterrolebindings",
    "scheduling.k8s.io/v1": "PriorityClass priorityclasses",
    "storage.k8s.io/v1": "CSIDriver csidrivers StorageClass storageclasses",
    "admissionregistration.k8s.io/v1": "MutatingWebhookConfiguration"
    " mutatingwebhookconfigurations ValidatingWebhookConfiguration"
    " validatingwebhookconfigurations",
}


def _table() -> dict[tuple[str, str], Kind]:
    known = {}
    for groups, namespaced in ((_NAMESPACED, True), (_CLUSTER_WIDE, False)):
        for version, words in groups.items():
            pairs = words.split()
            for kind, plural in zip(pairs[::2], pairs[1::2], strict=True):
                known[version, kind] = Kind(plural, namespaced)
    return known


KNOWN = _table()
"""What every cluster has, by `apiVersion` and kind."""
