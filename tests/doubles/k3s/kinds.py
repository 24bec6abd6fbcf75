"""Which kinds the API serves: those of every cluster, K3s's own, and those of applied CRDs."""

from __future__ import annotations

from dataclasses import dataclass

from .store import Object, Store


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind, as discovery shows it. `status` is whether its status has a path of its own."""

    group: str
    versions: tuple[str, ...]
    plural: str
    name: str
    namespaced: bool
    custom: bool = False
    status: bool = True
    short: tuple[str, ...] = ()


# group/version[,version]: Kind:plural[:short], namespaced first, then after "|" cluster-wide.
_TABLE = """
/v1: ConfigMap:configmaps:cm Endpoints:endpoints:ep Event:events:ev LimitRange:limitranges
 PersistentVolumeClaim:persistentvolumeclaims:pvc Pod:pods:po PodTemplate:podtemplates
 ReplicationController:replicationcontrollers:rc ResourceQuota:resourcequotas Secret:secrets
 Service:services:svc ServiceAccount:serviceaccounts:sa | Namespace:namespaces:ns Node:nodes:no
 PersistentVolume:persistentvolumes:pv
apps/v1: ControllerRevision:controllerrevisions DaemonSet:daemonsets:ds
 Deployment:deployments:deploy
 ReplicaSet:replicasets:rs StatefulSet:statefulsets:sts |
batch/v1: CronJob:cronjobs:cj Job:jobs |
networking.k8s.io/v1: Ingress:ingresses:ing NetworkPolicy:networkpolicies:netpol |
 IngressClass:ingressclasses
policy/v1: PodDisruptionBudget:poddisruptionbudgets:pdb |
rbac.authorization.k8s.io/v1: Role:roles RoleBinding:rolebindings | ClusterRole:clusterroles
 ClusterRoleBinding:clusterrolebindings
scheduling.k8s.io/v1: | PriorityClass:priorityclasses:pc
storage.k8s.io/v1: CSIStorageCapacity:csistoragecapacities | CSIDriver:csidrivers CSINode:csinodes
 StorageClass:storageclasses:sc VolumeAttachment:volumeattachments
coordination.k8s.io/v1: Lease:leases |
discovery.k8s.io/v1: EndpointSlice:endpointslices |
autoscaling/v2: HorizontalPodAutoscaler:horizontalpodautoscalers:hpa |
admissionregistration.k8s.io/v1: | MutatingWebhookConfiguration:mutatingwebhookconfigurations
 ValidatingWebhookConfiguration:validatingwebhookconfigurations
apiextensions.k8s.io/v1: | CustomResourceDefinition:customresourcedefinitions:crd
apiregistration.k8s.io/v1: | APIService:apiservices
events.k8s.io/v1: Event:events:ev |
node.k8s.io/v1: | RuntimeClass:runtimeclasses
flowcontrol.apiserver.k8s.io/v1: | FlowSchema:flowschemas
helm.cattle.io/v1: HelmChart:helmcharts HelmChartConfig:helmchartconfigs |
k3s.cattle.io/v1: Addon:addons | ETCDSnapshotFile:etcdsnapshotfiles
"""
_K3S_GROUPS = ("helm.cattle.io", "k3s.cattle.io")
_NO_STATUS = {"configmaps", "secrets", "events", "storageclasses", "serviceaccounts", "leases"}


def _builtin() -> tuple[Kind, ...]:
    found = []
    for line in _TABLE.strip().replace("\n ", " ").splitlines():
        where, _, words = line.partition(":")
        group, _, version = where.partition("/")
        for half, namespaced in zip(words.split("|"), (True, False), strict=False):
            for word in half.split():
                name, plural, *short = word.split(":")
                custom, status = group in _K3S_GROUPS, plural not in _NO_STATUS
                found.append(
                    Kind(group, (version,), plural, name, namespaced, custom, status, tuple(short))
                )
    return tuple(found)


BUILTIN = _builtin()


def from_crd(crd: Object) -> Kind:
    """Return the kind that a CustomResourceDefinition defines."""
    spec = crd["spec"]
    versions = spec.get("versions") or []
    return Kind(
        spec["group"],
        tuple(each["name"] for each in versions if each.get("served", True)),
        spec["names"]["plural"],
        spec["names"]["kind"],
        spec.get("scope") == "Namespaced",
        custom=True,
        status=any("status" in (each.get("subresources") or {}) for each in versions),
        short=tuple(spec["names"].get("shortNames") or ()),
    )


def kinds(store: Store) -> list[Kind]:
    """Return all kinds that are served now."""
    crds = store.listed("apiextensions.k8s.io", "customresourcedefinitions")
    return [*BUILTIN, *(from_crd(crd) for _, crd in crds)]


def find(store: Store, group: str, version: str, plural: str) -> Kind | None:
    """Return the kind that is served at a path, if any."""
    for kind in BUILTIN:
        if kind.plural == plural and kind.group == group:
            return kind if version in kind.versions else None
    crd = store.objects.get(
        ("apiextensions.k8s.io", "customresourcedefinitions", "", f"{plural}.{group}")
    )
    kind = from_crd(crd) if crd else None
    return kind if kind and version in kind.versions else None


def discovery(store: Store, group: str, version: str) -> list[Object]:
    """Return the APIResourceList entries of one group's version."""
    found: list[Object] = []
    for kind in kinds(store):
        if kind.group != group or version not in kind.versions:
            continue
        base: Object = {
            "name": kind.plural,
            "singularName": kind.name.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        }
        found.append({**base, "shortNames": list(kind.short)} if kind.short else base)
        if kind.status:
            verbs = ["get", "patch", "update"]
            found.append({**base, "name": f"{kind.plural}/status", "verbs": verbs})
    return found
