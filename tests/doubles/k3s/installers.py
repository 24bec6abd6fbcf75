"""What programs in pods would make: Longhorn's driver deployer and manager, and K3s' Helm jobs.

The stand-in runs no pods. It makes the objects that these would, by name, so that what waits for
them can be tested.
"""

from __future__ import annotations

import uuid

from .members import Transaction
from .store import Object
from .workloads import daemon_set, replicated, stored

_CSI = ("csi-attacher", "csi-provisioner", "csi-resizer", "csi-snapshotter")
_DEPLOYED_BY = {
    "cert-manager": ("cert-manager", "cert-manager-cainjector", "cert-manager-webhook"),
    "rancher": ("rancher",),
}


def driver_deployed(change: Transaction, obj: Object) -> None:
    """Make what Longhorn's driver deployer does, once it is there."""
    meta = obj["metadata"]
    if meta["name"] != "longhorn-driver-deployer":
        return
    space = meta["namespace"]
    for name in _CSI:
        _deployed(change, space, name, 3)
    plugin = _workload("DaemonSet", space, "longhorn-csi-plugin")
    key = ("apps", "daemonsets", space, "longhorn-csi-plugin")
    stored(change, key, daemon_set(change, plugin))


def class_made(change: Transaction, obj: Object) -> None:
    """Make the StorageClass that Longhorn's manager does of its ConfigMap."""
    if obj["metadata"]["name"] != "longhorn-storageclass":
        return
    text = obj["data"]["storageclass.yaml"]
    default = "is-default-class: 'true'" in text or 'is-default-class: "true"' in text
    notes = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    stored(
        change,
        ("storage.k8s.io", "storageclasses", "", "longhorn"),
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "longhorn", "annotations": notes},
            "provisioner": "driver.longhorn.io",
        },
    )


def chart_installed(change: Transaction, obj: Object) -> Object:
    """Make the Job that installs a chart, and the Deployments of a chart that is known."""
    name, space = obj["metadata"]["name"], obj["metadata"]["namespace"]
    job = f"helm-install-{name}"
    done = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
    stored(
        change,
        ("batch", "jobs", space, job),
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": job, "namespace": space},
            "spec": {},
            "status": done,
        },
    )
    target = (obj.get("spec") or {}).get("targetNamespace") or space
    if target != space:
        place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": target}}
        stored(change, ("", "namespaces", "", target), {**place, "status": {"phase": "Active"}})
    for deployed in _DEPLOYED_BY.get(name, ()):
        _deployed(change, target, deployed, 1)
    return {**obj, "status": {**(obj.get("status") or {}), "jobName": job}}


def _deployed(change: Transaction, space: str, name: str, replicas: int) -> None:
    made = _workload("Deployment", space, name)
    made["spec"]["replicas"] = replicas
    stored(change, ("apps", "deployments", space, name), replicated(change, made))


def _workload(kind: str, space: str, name: str) -> Object:
    labels = {"app": name}
    containers = [{"name": name, "image": f"{name}:stand-in"}]
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": space,
            "generation": 1,
            "uid": str(uuid.uuid4()),
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }
