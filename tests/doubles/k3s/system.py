"""What a new cluster holds: namespaces, K3s's own workloads, the default storage class."""

from __future__ import annotations

from collections.abc import Sequence

from .controllers import settle
from .members import Cluster, NoQuorum, NotLeading, Transaction
from .node import plain
from .store import Key, Object

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_DEPLOYMENTS = {
    "coredns": "coredns",
    "local-path-provisioner": "local-storage",
    "metrics-server": "metrics-server",
    "traefik": "traefik",
}


def furnish(cluster: Cluster, disabled: Sequence[str]) -> None:
    """Make what every cluster has, and take away what is disabled now."""

    def change(transaction: Transaction) -> None:
        transaction.set_meta("disabled", list(disabled))
        for name in _NAMESPACES:
            _ensure(transaction, ("", "namespaces", "", name), "v1", "Namespace")
            _ensure(transaction, ("", "serviceaccounts", name, "default"), "v1", "ServiceAccount")
        for name, component in _DEPLOYMENTS.items():
            key = ("apps", "deployments", "kube-system", name)
            if component in disabled:
                transaction.delete(key)
            else:
                _ensure(transaction, key, "apps/v1", "Deployment", spec=_deployment(name))
        key = ("storage.k8s.io", "storageclasses", "", "local-path")
        if "local-storage" in disabled:
            transaction.delete(key)
        else:
            _storage_class(transaction, key)
        ports: list[Object] = [{"name": "https", "port": 443, "targetPort": 6443}]
        spec: Object = {"type": "ClusterIP", "clusterIP": "10.43.0.1", "ports": ports}
        _ensure(transaction, ("", "services", "default", "kubernetes"), "v1", "Service", spec=spec)
        if "coredns" not in disabled:
            ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
            spec = {"type": "ClusterIP", "clusterIP": "10.43.0.10", "ports": ports}
            dns: Key = ("", "services", "kube-system", "kube-dns")
            _ensure(transaction, dns, "v1", "Service", spec=spec)

    try:
        cluster.transact(change)
    except (NotLeading, NoQuorum):
        return


def _ensure(change: Transaction, key: Key, version: str, kind: str, **parts: Object) -> None:
    if change.get(key) is None:
        change.put(key, settle(change, key, plain(version, kind, key, **parts)))


def _deployment(name: str) -> Object:
    labels = {"k8s-app": "kube-dns"} if name == "coredns" else {"app": name}
    container = {"name": name, "image": f"rancher/stand-in-{name}:latest"}
    return {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }


def _storage_class(change: Transaction, key: Key) -> None:
    if change.get(key) is not None:
        return
    made = plain(
        "storage.k8s.io/v1",
        "StorageClass",
        key,
        provisioner="rancher.io/local-path",
        reclaimPolicy="Delete",
        volumeBindingMode="WaitForFirstConsumer",
    )
    made["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    change.put(key, made)
