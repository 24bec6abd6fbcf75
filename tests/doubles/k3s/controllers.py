"""What Kubernetes' controllers would do, done at once: the status of workloads, volumes, CRDs."""

from __future__ import annotations

import base64
import time
import zlib
from typing import Any

from .installers import chart_installed, class_made, driver_deployed
from .lifetime import pass_time
from .log import now
from .members import Transaction
from .scheduling import schedule
from .store import Key, Object
from .troubles import marks_of
from .workloads import claimed, daemon_set, job, replicated, stateful_set


def settle(change: Transaction, key: Key, obj: Object) -> Object:
    """Return an object with the fields and the status that the cluster gives it."""
    handler = _SETTLERS.get((key[0], key[1]))
    return handler(change, obj) if handler else obj


def tick(change: Transaction, moment: float) -> None:
    """Do what follows by itself as time passes, by now, in seconds since 1970."""
    pass_time(change, moment)
    for plural in ("deployments", "replicasets", "statefulsets", "daemonsets"):
        for key, obj in change.listed("apps", plural):
            if obj["metadata"].get("ownerReferences"):
                continue  # its owner sees to it
            settled = settle(change, key, obj)
            if settled != obj:
                change.put(key, settled)
    for key, obj in change.listed("batch", "jobs"):
        settled = job(change, obj, moment) if marks_of(obj) else obj
        if settled != obj:
            change.put(key, settled)
    schedule(change)


def forget(change: Transaction, key: Key, obj: Object) -> None:
    """Do what follows from an object being gone: a node also leaves etcd, its password is freed."""
    if key[:2] != ("", "nodes"):
        return
    change.delete(("", "secrets", "kube-system", f"{key[3]}.node-password.k3s"))
    change.delete(("coordination.k8s.io", "leases", "kube-node-lease", key[3]))
    members: dict[str, Object] = change.meta("members") or {}
    left = {member: about for member, about in members.items() if about["name"] != key[3]}
    if left != members and left:
        change.set_meta("members", left)


def conditions(obj: Object, *wanted: tuple[str, str, str]) -> list[Object]:
    """Return conditions (type, status, reason); the time of one that stays is kept."""
    old = {each["type"]: each for each in (obj.get("status") or {}).get("conditions") or []}
    found = []
    for kind, status, reason in wanted:
        before = old.get(kind)
        if before and before["status"] == status and before.get("reason") == reason:
            found.append(before)
        else:
            found.append(
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": "",
                    "lastTransitionTime": now(),
                }
            )
    return found


def _deployment(change: Transaction, obj: Object) -> Object:
    settled = replicated(change, obj)
    driver_deployed(change, obj)
    status = settled["status"]
    available = "True" if status["readyReplicas"] == status["replicas"] else "False"
    told = conditions(
        obj,
        ("Available", available, "MinimumReplicasAvailable"),
        ("Progressing", "True", "NewReplicaSetAvailable"),
    )
    return {**settled, "status": {**status, "conditions": told}}


def _config_map(change: Transaction, obj: Object) -> Object:
    class_made(change, obj)
    return obj


def _job(change: Transaction, obj: Object) -> Object:
    return job(change, obj, time.time())


def _crd(change: Transaction, obj: Object) -> Object:
    spec = obj["spec"]
    names = {"singular": spec["names"]["kind"].lower(), "listKind": spec["names"]["kind"] + "List"}
    accepted = {**names, **spec["names"]}
    stored = [each["name"] for each in spec.get("versions") or [] if each.get("storage")]
    return {
        **obj,
        "status": {
            "conditions": conditions(
                obj,
                ("NamesAccepted", "True", "NoConflicts"),
                ("Established", "True", "InitialNamesAccepted"),
            ),
            "acceptedNames": accepted,
            "storedVersions": stored,
        },
    }


def _namespace(change: Transaction, obj: Object) -> Object:
    meta = obj["metadata"]
    labels = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}
    return {
        **obj,
        "metadata": {**meta, "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _secret(change: Transaction, obj: Object) -> Object:
    obj = dict(obj)
    plain = obj.pop("stringData", None) or {}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
    if encoded or "data" in obj:
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    obj.setdefault("type", "Opaque")
    return obj


def _service(change: Transaction, obj: Object) -> Object:
    spec: dict[str, Any] = {**(obj.get("spec") or {})}
    number = zlib.crc32(obj["metadata"]["uid"].encode()) % 65000 + 100
    spec.setdefault("type", "ClusterIP")
    if spec["type"] != "ExternalName":
        spec.setdefault("clusterIP", f"10.43.{number // 256}.{number % 256}")
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec["ports"] = [
        {"protocol": "TCP", "targetPort": port.get("port"), **port}
        for port in spec.get("ports") or []
    ]
    status = obj.get("status") or {}
    if spec["type"] == "LoadBalancer" and not (status.get("loadBalancer") or {}).get("ingress"):
        status = {"loadBalancer": {}}
        if "servicelb" not in (change.meta("disabled") or []) and not spec.get("loadBalancerClass"):
            ips = [{"ip": ip, "ipMode": "VIP"} for ip in _node_ips(change)]
            status = {"loadBalancer": {"ingress": ips}}
    return {**obj, "spec": spec, "status": status or {"loadBalancer": {}}}


def _node_ips(change: Transaction) -> list[str]:
    found = []
    for _, node in change.store.listed("", "nodes"):
        addresses = (node.get("status") or {}).get("addresses") or []
        found += [each["address"] for each in addresses if each["type"] == "InternalIP"]
    return found


_SETTLERS = {
    ("apps", "deployments"): _deployment,
    ("apps", "statefulsets"): stateful_set,
    ("apps", "replicasets"): replicated,
    ("apps", "daemonsets"): daemon_set,
    ("batch", "jobs"): _job,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _crd,
    ("", "namespaces"): _namespace,
    ("", "secrets"): _secret,
    ("", "configmaps"): _config_map,
    ("", "services"): _service,
    ("", "persistentvolumeclaims"): claimed,
    ("helm.cattle.io", "helmcharts"): chart_installed,
}
