"""Where the data of every volume is: on which nodes, under whose claim, for which application.

Three kinds of data stay behind when a node leaves: volumes that a node affinity ties to it (those
of local-path, provisioner.go of https://github.com/rancher/local-path-provisioner, and all `local`
ones), Longhorn's volumes whose last good copy is there, and what pods keep in a directory of the
host. One reading of the API tells of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from picluster.kube import longhorn
from picluster.kube.affinity import fitting
from picluster.kube.api import Api, Object
from picluster.kube.nodes import NodeState, list_nodes
from picluster.kube.objects import items
from picluster.kube.workload_pods import Application, application_of, applications, is_over

Kind: TypeAlias = Literal["local", "Longhorn", "host path"]

_VOLUMES = "/api/v1/persistentvolumes"
_PODS = "/api/v1/pods"
_WORKLOADS = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Pod")
_DATA_TYPES = ("", "Directory", "DirectoryOrCreate")
_SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr"),
    *("/var/lib/cni", "/var/lib/kubelet", "/var/lib/longhorn", "/var/lib/rancher"),
    *("/var/log", "/var/run"),
)
"""What pods mount of a host because it is the host's own; their data is elsewhere."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Data that an application keeps, and the nodes that have a copy of it that can be used.

    `name` is what users call it, and what they consent by: NAMESPACE/CLAIM; a volume that nobody
    claims has its own name, and a directory of the host NAMESPACE/APPLICATION:PATH. `bound` says
    that its pods can start on these nodes alone; others start elsewhere, without their data.
    `size` is as Kubernetes writes it, `path` is on the node.
    """

    name: str
    kind: Kind
    nodes: frozenset[str]
    bound: bool
    size: str = ""
    path: str = ""
    claim: tuple[str, str] | None = None
    persistent_volume: str = ""
    applications: tuple[Application, ...] = ()

    def __str__(self) -> str:
        size = [] if self.kind == "host path" else [self.size or "of unknown size"]
        return f"{self.name} ({', '.join([*size, self.kind])})"


@dataclass(frozen=True, slots=True)
class Stored:
    """Every volume of the cluster; `alive` are the nodes whose copies can be used now."""

    volumes: tuple[Volume, ...] = ()
    alive: frozenset[str] = frozenset()

    def only_on(self, node: str) -> tuple[Volume, ...]:
        """Return the volumes of which no other node that lives has a copy."""
        return tuple(
            volume
            for volume in self.volumes
            if node in volume.nodes and not (volume.nodes - {node}) & self.alive
        )


def read_stored(api: Api) -> Stored:
    """Ask the cluster about all its volumes; four lists, and the Leases of the nodes."""
    return stored_in(
        list_nodes(api).values(),
        items(api, _VOLUMES),
        items(api, _PODS),
        items(api, longhorn.REPLICAS),
    )


def stored_in(
    nodes: Iterable[NodeState],
    persistent_volumes: Iterable[Object],
    pods: Iterable[Object],
    replicas: Iterable[Object],
) -> Stored:
    """Tell from listed objects where each volume's data is. Pure."""
    nodes, persistent_volumes = tuple(nodes), tuple(persistent_volumes)
    living = [pod for pod in pods if not is_over(pod)]
    copies = longhorn.copies(replicas)
    found = [
        volume
        for each in persistent_volumes
        if (volume := _volume(each, nodes, living, copies)) is not None
    ]
    claimed = {longhorn.volume_of(each) for each in persistent_volumes}
    found += [
        Volume(f"longhorn-system/{name}", "Longhorn", copy.nodes, bound=True, size=copy.size)
        for name, copy in copies.items()
        if name not in claimed
    ]
    found += _host_paths(living)
    alive = frozenset(node.name for node in nodes if node.ready and node.alive)
    return Stored(tuple(sorted(found, key=lambda each: each.name)), alive)


# ------------------------------------------------------------------ persistent volumes


def _volume(
    volume: Object,
    nodes: tuple[NodeState, ...],
    pods: list[Object],
    copies: Mapping[str, longhorn.Copies],
) -> Volume | None:
    """Read one PersistentVolume; None if no node has its data, or it is on its way to be deleted.

    One that was released and is retained still has the data of the claim that is gone.
    """
    spec, name = volume["spec"], volume["metadata"]["name"]
    released = (volume.get("status") or {}).get("phase") == "Released"
    if released and spec.get("persistentVolumeReclaimPolicy") == "Delete":
        return None
    claim = spec.get("claimRef") or {}
    users = [pod for pod in pods if claim and _uses(pod, claim)]
    required = (spec.get("nodeAffinity") or {}).get("required")
    directory = spec.get("local") or spec.get("hostPath") or {}
    copy = copies.get(longhorn.volume_of(volume))
    if copy is not None:
        at = copy.nodes
    elif required or directory:
        at = fitting(required, nodes) if required else _nodes_of(users)
    else:
        return None
    return Volume(
        f"{claim['namespace']}/{claim['name']}" if claim else name,
        "Longhorn" if copy else "local",
        at,
        bound=bool(copy or required),
        size=str((spec.get("capacity") or {}).get("storage", "")),
        path=directory.get("path", ""),
        claim=(claim["namespace"], claim["name"]) if claim and not released else None,
        persistent_volume=name,
        applications=applications(users, pods),
    )


def _uses(pod: Object, claim: Object) -> bool:
    volumes = pod["spec"].get("volumes") or []
    names = [(each.get("persistentVolumeClaim") or {}).get("claimName") for each in volumes]
    return pod["metadata"].get("namespace") == claim["namespace"] and claim["name"] in names


def _nodes_of(pods: Iterable[Object]) -> frozenset[str]:
    return frozenset(node for pod in pods if (node := pod["spec"].get("nodeName")))


# ------------------------------------------------------------------ directories of the host


def _host_paths(pods: list[Object]) -> list[Volume]:
    """Return what pods write to directories of their host, but for the system's own.

    Those of DaemonSets and the kubelet's own belong to the node, not to an application.
    """
    using: dict[tuple[str, str], list[Object]] = {}
    for pod in pods:
        for path in _written(pod):
            using.setdefault((pod["spec"]["nodeName"], path), []).append(pod)
    found = []
    for (node, path), users in using.items():
        for name in sorted({_called(pod) for pod in users}):
            own = [pod for pod in users if _called(pod) == name]
            found.append(
                Volume(
                    f"{name}:{path}",
                    "host path",
                    frozenset({node}),
                    bound=False,
                    path=path,
                    applications=applications(own, pods),
                )
            )
    return found


def _called(pod: Object) -> str:
    owner = application_of(pod)
    return f"{owner.namespace}/{owner.name}"


def _written(pod: Object) -> set[str]:
    """Return the directories of its host that a placed pod of an application writes to."""
    mirrored = "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {})
    if mirrored or application_of(pod).kind not in _WORKLOADS or not pod["spec"].get("nodeName"):
        return set()
    spec = pod["spec"]
    mounts = [
        mount["name"]
        for container in (*(spec.get("initContainers") or ()), *spec["containers"])
        for mount in container.get("volumeMounts") or ()
        if not mount.get("readOnly")
    ]
    return {
        source["path"]
        for volume in spec.get("volumes") or ()
        if (source := volume.get("hostPath")) and volume["name"] in mounts
        if (source.get("type") or "") in _DATA_TYPES and not _is_system(source["path"])
    }


def _is_system(path: str) -> bool:
    return path == "/" or any(path == root or path.startswith(f"{root}/") for root in _SYSTEM)
