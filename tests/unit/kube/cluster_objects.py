"""Objects as a cluster lists them, as far as they are read: volumes, pods, replicas, nodes."""

from __future__ import annotations

from typing import Any

from picluster.kube.nodes import NodeState

HOSTNAME = "kubernetes.io/hostname"


def node(name: str, *, ready: bool = True, **labels: str) -> NodeState:
    marks = {HOSTNAME: name, **{key.replace("_", "/"): value for key, value in labels.items()}}
    return NodeState(name, ready, labels=marks)


def at_host(*names: str) -> dict[str, Any]:
    """A node affinity, as local-path's provisioner makes it."""
    wanted = {"key": HOSTNAME, "operator": "In", "values": list(names)}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}


def local_path(claim: str, host: str, **spec: Any) -> dict[str, Any]:
    """A PersistentVolume of local-path's, bound by NAMESPACE/CLAIM."""
    namespace, _, name = claim.partition("/")
    path = f"/var/lib/rancher/k3s/storage/pvc-1_{namespace}_{name}"
    directory = {"path": path, "type": "DirectoryOrCreate"}
    return persistent(
        f"pvc-{name}", claim, **{"hostPath": directory, "nodeAffinity": at_host(host), **spec}
    )


def persistent(name: str, claim: str = "", phase: str = "Bound", **spec: Any) -> dict[str, Any]:
    namespace, _, claimed = claim.partition("/")
    reference = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": claimed}
    filled = {
        "capacity": {"storage": "5Gi"},
        "persistentVolumeReclaimPolicy": "Delete",
        **({"claimRef": reference} if claim else {}),
        **spec,
    }
    return {"metadata": {"name": name}, "spec": filled, "status": {"phase": phase}}


def longhorn_volume(claim: str, handle: str) -> dict[str, Any]:
    csi = {"driver": "driver.longhorn.io", "volumeHandle": handle}
    return persistent(handle, claim, csi=csi)


def replica(volume: str, host: str, **spec: Any) -> dict[str, Any]:
    """A Replica of Longhorn's; a good one unless told otherwise."""
    filled = {
        "volumeName": volume,
        "volumeSize": "5368709120",
        "nodeID": host,
        "healthyAt": "2026-11-01T00:00:00Z",
        "failedAt": "",
        "active": True,
        **spec,
    }
    return {
        "metadata": {"name": f"{volume}-r-{host}", "namespace": "longhorn-system"},
        "spec": filled,
    }


def pod(
    name: str,
    host: str = "pi1",
    *,
    claim: str = "",
    owner: str = "StatefulSet",
    host_path: dict[str, Any] | None = None,
    read_only: bool = False,
    **meta: Any,
) -> dict[str, Any]:
    """A pod of NAMESPACE/NAME-n; a Deployment's when its owner is a ReplicaSet."""
    namespace, _, own = name.partition("/")
    workload = own.rpartition("-")[0]
    labels, owned = {}, workload
    if owner == "ReplicaSet":
        labels, owned = {"pod-template-hash": "7d9f"}, f"{workload}-7d9f"
    references = [{"kind": owner, "name": owned, "controller": True}] if owner else []
    volumes: list[dict[str, Any]] = []
    if claim:
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": claim}})
    if host_path:
        volumes.append({"name": "host", "hostPath": host_path})
    mounts = [{"name": each["name"], "readOnly": read_only} for each in volumes]
    return {
        "metadata": {
            "name": own,
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": references,
            **meta,
        },
        "spec": {
            "nodeName": host,
            "containers": [{"name": "it", "volumeMounts": mounts}],
            "volumes": volumes,
        },
        "status": {"phase": "Running"},
    }
