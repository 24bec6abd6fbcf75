"""Nodes: what one says of itself, how a server takes it in, and when it counts as lost.

As in Kubernetes, a node lives by its Lease: the kubelet renews it every 10 s for 40 s
(`nodeLeaseDurationSeconds`, renewed at a quarter of it), and the node controller calls a node
Unknown when it saw no renewal, by its own clock, for 50 s (`--node-monitor-grace-period`, 40 s
before 1.32). The conditions' heartbeat times move when the kubelet starts, when a status changes,
and else every 5 min (`nodeStatusReportFrequency`; kubernetes/pkg/kubelet/kubelet_node_status.go).
All of these times are a fifth here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from datetime import UTC, datetime
from typing import Any

from . import stamp
from .config import Options
from .controllers import tick
from .flannel import free_subnet, leases
from .host import machine_id
from .log import info, now
from .members import Cluster, NoQuorum, NotLeading, Transaction
from .pace import paced
from .patches import owners, write_owners
from .resources import ApiError
from .store import Key, Object

REJECTED = (
    "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may "
    "not match server node-passwd entry, try enabling a unique node name with the --with-node-id "
    "flag"
)
_SCALE = 5.0
RENEWAL = paced(10.0 / _SCALE)
_LASTS = int(40 / _SCALE)
_GRACE = paced(50.0 / _SCALE)
_REPORT = paced(300.0 / _SCALE)
_SECRETS = {"token", "agent-token", "etcd-s3-access-key", "etcd-s3-secret-key", "vpn-auth"}
_UNREACHABLE = "node.kubernetes.io/unreachable"


def describe(
    options: Options, name: str, ip: str, *, etcd: bool = False, member: str = ""
) -> Object:
    """Return what a node tells the cluster about itself; `member` is what its etcd is called."""
    arguments = [options.role]
    for option, value in sorted(options.values.items()):
        shown = "********" if option in _SECRETS else value
        for item in shown if isinstance(shown, list) else [shown]:
            arguments += [f"--{option}", str(item).lower() if isinstance(item, bool) else str(item)]
    labels = dict(label.partition("=")[::2] for label in options.items("node-label"))
    return {
        "name": name,
        "ip": ip,
        "arch": stamp.ARCH or "amd64",
        "version": stamp.VERSION,
        "server": options.role == "server",
        "etcd": etcd,
        "member": member,
        "machine": machine_id(),
        "labels": labels,
        "taints": [_taint(taint) for taint in options.items("node-taint")],
        "args": arguments,
    }


def _taint(text: str) -> Object:
    left, _, effect = text.rpartition(":")
    key, equals, value = left.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if equals and value else {})


class Registry:
    """The leader's care for nodes. Every server has one; only the leader's acts."""

    def __init__(self, cluster: Cluster, backend: str, network: str) -> None:
        self.cluster = cluster
        self._backend, self._network = backend, network
        self._heard: dict[str, float] = {}
        self._lock = threading.Lock()

    def register(self, about: Object) -> Object:
        """Take a node in, or refuse it. Raises `ApiError`, `NotLeading` or `NoQuorum`."""

        def change(transaction: Transaction) -> Object:
            self._check_password(transaction, about)
            key = ("", "nodes", "", about["name"])
            live = transaction.get(key)
            subnet = free_subnet(self._network, self._nodes())
            node = _node(about, live, subnet)
            write_owners(node, owners(live) if live else {("k3s", "Update", ""): set()}, live, "v1")
            transaction.put(key, node)
            _renew(transaction, about["name"], about["renewTime"])
            return {"servers": self.servers(), **self._of_network(node)}

        result = self.cluster.transact(change)
        self._heard[about["name"]] = time.monotonic()
        return result

    def _check_password(self, transaction: Transaction, about: Object) -> None:
        name = about["name"]
        key = ("", "secrets", "kube-system", f"{name}.node-password.k3s")
        digest = hashlib.sha256(f"{name}:{about['password']}".encode()).hexdigest()
        data = {"hash": base64.b64encode(digest.encode()).decode()}
        present = transaction.get(key)
        if present is None:
            transaction.put(
                key, plain("v1", "Secret", key, data=data, type="Opaque", immutable=True)
            )
        elif present.get("data") != data:
            raise ApiError(403, "Forbidden", REJECTED)

    def servers(self) -> list[str]:
        """Return the API URLs of all servers, for agents to fall back to."""
        return [about["api"] for about in self.cluster.members.values()]

    def beat(self, name: str, renewed: str) -> Object:
        """Renew a node's Lease, at a time of its own. Raises `NotLeading` or `NoQuorum`."""
        if not self.cluster.leads:
            raise NotLeading(self.cluster.leader_url())
        self._heard[name] = time.monotonic()
        if ("", "nodes", "", name) in self.cluster.store.objects:
            self.cluster.transact(lambda transaction: _renew(transaction, name, renewed))
        self._report(name, lost=False)
        return {"servers": self.servers(), **self._of_network()}

    def _nodes(self) -> list[Object]:
        return [node for _, node in self.cluster.store.listed("", "nodes")]

    def _of_network(self, *coming: Object) -> Object:
        """Return what a node's flannel watches; a node that comes is not stored yet."""
        present = leases([*self._nodes(), *coming])
        return {"flannel": {"backend": self._backend, "network": self._network, "leases": present}}

    def _report(self, name: str, *, lost: bool) -> None:
        key = ("", "nodes", "", name)
        live = self.cluster.store.objects.get(key)
        if live is None or self._after(live, lost=lost) == live:
            return

        def change(transaction: Transaction) -> None:
            present = transaction.get(key)
            if present is not None:
                transaction.put(key, self._after(present, lost=lost))

        self.cluster.transact(change)

    def _after(self, node: Object, *, lost: bool) -> Object:
        wanted = [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has enough memory"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has enough PIDs"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status (stand-in)"),
        ]
        if lost:
            # EtcdIsVoter is not the kubelet's, and stays: it is K3s's word on membership, not on
            # life (seen with K3s 1.35 and a server powered off; k3s/pkg/etcd, manageLearners).
            why = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
            wanted = [(kind, "Unknown", *why) for kind, _, _, _ in wanted]
        name = node["metadata"]["name"]
        member = next((m for m in self.cluster.members.values() if m["name"] == name), None)
        if member is not None and "node-role.kubernetes.io/etcd" in node["metadata"]["labels"]:
            voter = (
                ("True", "MemberNotLearner", "Node is a voting member of the etcd cluster")
                if member["voter"]
                else ("False", "MemberIsLearner", "Node has not been promoted to voting member")
            )
            wanted.append(("EtcdIsVoter", *voter))
        conditions = _conditions(node, wanted, due=not lost)
        taints = [t for t in node["spec"].get("taints") or [] if t["key"] != _UNREACHABLE]
        if lost:
            taints += [{"key": _UNREACHABLE, "effect": e} for e in ("NoSchedule", "NoExecute")]
        spec = {key: value for key, value in node["spec"].items() if key != "taints"}
        if taints:
            spec["taints"] = taints
        return {**node, "spec": spec, "status": {**node["status"], "conditions": conditions}}

    def watch(self) -> None:
        """Look for lost nodes, for ever, while this server leads."""
        led = False
        while True:
            time.sleep(paced(1.0))
            if not self.cluster.leads:
                led = False
                continue
            listed = list(self.cluster.store.listed("", "nodes"))
            if not led:
                # A new leader has heard nobody yet: it gives every node its time.
                self._heard = {key[3]: time.monotonic() for key, _ in listed} | self._heard
                self._heard = {name: time.monotonic() for name in self._heard}
                led = True
            for key, _ in listed:
                silent = time.monotonic() - self._heard.setdefault(key[3], time.monotonic())
                try:
                    if silent > _GRACE:
                        self._report(key[3], lost=True)
                except (NotLeading, NoQuorum):
                    break
            with contextlib.suppress(NotLeading, NoQuorum):
                self.cluster.transact(lambda change: tick(change, time.time()))


def _renew(transaction: Transaction, name: str, renewed: str) -> None:
    key = ("coordination.k8s.io", "leases", "kube-node-lease", name)
    lease = transaction.get(key) or plain("coordination.k8s.io/v1", "Lease", key)
    stored = {"manager": "k3s", "operation": "Update", "time": now()}
    stored |= {"apiVersion": "coordination.k8s.io/v1", "fieldsType": "FieldsV1", "fieldsV1": {}}
    meta = {**lease["metadata"], "managedFields": [stored]}
    spec = {"holderIdentity": name, "leaseDurationSeconds": _LASTS, "renewTime": renewed}
    transaction.put(key, {**lease, "metadata": meta, "spec": spec})


def _conditions(node: Object, wanted: list[Any], *, due: bool = False) -> list[Object]:
    """Return the conditions as reported now; with `due`, an old report is said again."""
    old = {each["type"]: each for each in node["status"].get("conditions") or []}
    found = []
    for kind, status, reason, message in wanted:
        before = old.get(kind)
        new = {"type": kind, "status": status, "reason": reason, "message": message}
        same = before and all(before.get(key) == value for key, value in new.items())
        if before and same and not (due and _age(before["lastHeartbeatTime"]) > _REPORT):
            found.append(before)
            continue
        since = before["lastTransitionTime"] if before and before["status"] == status else now()
        found.append({**new, "lastHeartbeatTime": now(), "lastTransitionTime": since})
    kinds = {each[0] for each in wanted}
    return found + [each for kind, each in old.items() if kind not in kinds]


def _age(written: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(written)).total_seconds()


def _node(about: Object, live: Object | None, subnet: str) -> Object:
    name, arch = about["name"], about["arch"]
    own = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": arch,
        "kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "k3s",
        "beta.kubernetes.io/instance-type": "k3s",
    }
    if about["server"]:
        own |= dict.fromkeys(
            ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"), "true"
        )
    if about["etcd"]:
        own["node-role.kubernetes.io/etcd"] = "true"
    digest = base64.b32encode(hashlib.sha256(json.dumps(about["args"]).encode()).digest()).decode()
    annotations = {
        "k3s.io/hostname": name,
        "k3s.io/internal-ip": about["ip"],
        "k3s.io/node-args": json.dumps(about["args"]),
        "k3s.io/node-config-hash": digest.replace("=", "") + "====",
        "k3s.io/node-env": "{}",
        "picluster.dev/stand-in": "true",
    }
    if about["etcd"]:
        annotations |= {
            "etcd.k3s.cattle.io/node-name": about["member"],
            "etcd.k3s.cattle.io/node-address": about["ip"],
        }
    key: Key = ("", "nodes", "", name)
    node = plain("v1", "Node", key, spec={}, status={}) if live is None else dict(live)
    meta = node["metadata"]
    labels = {**(about["labels"] if live is None else {}), **(meta.get("labels") or {}), **own}
    notes = {**(meta.get("annotations") or {}), **annotations}
    node["metadata"] = {**meta, "labels": labels, "annotations": notes}
    if live is None:
        node["spec"] = {"podCIDR": subnet, "podCIDRs": [subnet], "providerID": f"k3s://{name}"}
        if about["taints"]:
            node["spec"]["taints"] = about["taints"]
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "32Gi"}
    ready = ("Ready", "False", "KubeletNotReady", "cni plugin not initialized (stand-in)")
    old = node["status"]
    node["status"] = {
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": about["ip"]},
            {"type": "Hostname", "address": name},
        ],
        "conditions": _conditions(node, [ready]),
        "nodeInfo": {
            "architecture": arch,
            "operatingSystem": "linux",
            "kubeletVersion": about["version"],
            "kubeProxyVersion": about["version"],
            "containerRuntimeVersion": "containerd://stand-in",
            "osImage": "stand-in",
            "kernelVersion": "stand-in",
            "machineID": about["machine"],
            "systemUUID": "",
            "bootID": "",
        },
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    }
    if old.get("conditions") and live is not None:
        info(f"node {name} registered again")
    return node


def plain(version: str, kind: str, key: Key, **parts: Any) -> Object:
    """Return a new object, as a controller of the cluster would make it."""
    import uuid  # noqa: PLC0415 - needs 10 ms, which `k3s --version` must not pay

    meta: Object = {"name": key[3], "uid": str(uuid.uuid4()), "creationTimestamp": now()}
    if key[2]:
        meta["namespace"] = key[2]
    return {"apiVersion": version, "kind": kind, "metadata": meta, **parts}
