"""Options handed through to K3s, and arguments handed through to the parts of Kubernetes.

picluster does not know them all and does not try to. It refuses those that it sets itself, or
whose meaning it would defeat: two places that say the same thing will one day disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from picluster.model.refusal import refuse
from picluster.model.scalars import UNQUOTED, Text

if TYPE_CHECKING:
    pass

Option = bool | int | str | tuple[str, ...]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,14})")

_HAS_A_FIELD = {
    "cluster-cidr": "k3s.cluster_cidr",
    "cluster-dns": "k3s.cluster_dns",
    "disable": "k3s.disable",
    "etcd-expose-metrics": "k3s.etcd.expose_metrics",
    "etcd-snapshot-retention": "k3s.etcd.snapshot_retention",
    "etcd-snapshot-schedule-cron": "k3s.etcd.snapshot_schedule",
    "flannel-backend": "k3s.flannel_backend",
    "flannel-iface": "k3s.flannel_iface or nodes[].k3s.flannel_iface",
    "kube-apiserver-arg": "k3s.kube_apiserver_args",
    "kube-controller-manager-arg": "k3s.kube_controller_manager_args",
    "kube-scheduler-arg": "k3s.kube_scheduler_args",
    "kubelet-arg": "k3s.kubelet_args",
    "node-ip": "nodes[].k3s.node_ip",
    "node-label": "nodes[].labels",
    "node-name": "nodes[].name",
    "node-taint": "nodes[].taints",
    "service-cidr": "k3s.service_cidr",
    "tls-san": "k3s.tls_san",
    "token": "k3s.token",
    "embedded-registry": "k3s.embedded_registry",
    "write-kubeconfig-mode": "k3s.kubeconfig_mode",
}
_DECIDED_HERE = {
    "agent-token": "agents join with k3s.token",
    "agent-token-file": "agents join with k3s.token",
    "cluster-domain": "the DNS suffix inside the cluster stays cluster.local",
    "cluster-init": "picluster decides from what it finds who starts the cluster",
    "cluster-reset": "it would throw away every other server at the next restart",
    "cluster-reset-restore-path": "it would overwrite the cluster at the next restart",
    "config": "picluster writes the configuration file",
    "data-dir": "picluster looks for K3s's state where K3s keeps it by default",
    "datastore-endpoint": "servers share the etcd that comes with K3s",
    "debug": "it would fill the SD card",
    "disable-apiserver": "every server runs the whole control plane",
    "disable-controller-manager": "every server runs the whole control plane",
    "disable-etcd": "every server runs the whole control plane",
    "disable-scheduler": "every server runs the whole control plane",
    "https-listen-port": "nodes and kubeconfigs look for the API on port 6443",
    "private-registry": "picluster writes registries.yaml",
    "rootless": "nodes are prepared for K3s running as root",
    "server": "picluster decides from what it finds which server to join",
    "token-file": "the token comes from k3s.token",
    "with-node-id": "node names are those of this file",
    "write-kubeconfig": "picluster fetches the kubeconfig from its usual place",
}
_SECRET = {"etcd-s3-access-key", "etcd-s3-secret-key", "etcd-s3-session-token", "vpn-auth"}


def _option_name(value: str) -> str:
    _named_like_an_option(value)
    if value in _HAS_A_FIELD:
        raise refuse("has a field of its own", f"use {_HAS_A_FIELD[value]}")
    if value in _DECIDED_HERE:
        raise refuse(f"cannot be set here: {_DECIDED_HERE[value]}", "leave it out")
    if value in _SECRET:
        raise refuse(
            "would put a secret into this file",
            "use the K3s option that reads it from elsewhere: etcd-s3-config-secret, vpn-auth-file",
        )
    return value


def _argument_name(taken: Mapping[str, str]) -> AfterValidator:
    def check(value: str) -> str:
        _named_like_an_option(value)
        if value in taken:
            raise refuse("has a field of its own", f"use {taken[value]}")
        return value

    return AfterValidator(check)


def _named_like_an_option(value: str) -> None:
    if not _NAME.fullmatch(value):
        likely = value.strip("-+ ").replace("_", "-").lower()
        fix = likely if _NAME.fullmatch(likely) else "lower-case letters, digits and '-'"
        raise refuse("is not the name of an option", f"write {fix}")


def _option_value(value: object) -> Option:
    """Read an option's value; K3s itself makes no difference between 5 and "5"."""
    if isinstance(value, (list, tuple)):
        return tuple(_argument_text(item) for item in value)
    if isinstance(value, str):
        return _typed(_argument_text(value))
    if isinstance(value, (bool, int)):
        return value
    raise refuse("is not a value for an option", "write a text, a number, true, false or a list")


def _typed(text: str) -> Option:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if _INTEGER.fullmatch(text) else text


def _argument_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise refuse("is not a single value", "write a text, a number, true or false")
    if not value.isprintable():
        raise refuse("has a line break or another control character", "write it on one line")
    return str(value)


OptionValue = Annotated[
    Option,
    BeforeValidator(_option_value),
    WithJsonSchema({"anyOf": [UNQUOTED, {"type": "array", "items": UNQUOTED}]}),
]
ArgumentValue = Annotated[Text, BeforeValidator(_argument_text), WithJsonSchema(UNQUOTED)]

Options = Mapping[Annotated[str, AfterValidator(_option_name)], OptionValue]
"""K3s options by their long names, without dashes; a list repeats the option."""

_OF_API_SERVER = {"service-cluster-ip-range": "k3s.service_cidr", "token-auth-file": "k3s.token"}
_OF_CONTROLLERS = {
    "cluster-cidr": "k3s.cluster_cidr",
    "service-cluster-ip-range": "k3s.service_cidr",
}
_OF_KUBELET = {
    "cluster-dns": "k3s.cluster_dns",
    "eviction-hard": "k3s.eviction_hard",
    "kube-reserved": "k3s.kube_reserved",
    "node-ip": "nodes[].k3s.node_ip",
    "node-labels": "nodes[].labels",
    "register-with-taints": "nodes[].taints",
    "system-reserved": "k3s.system_reserved",
}

ApiServerArgs = Mapping[Annotated[str, _argument_name(_OF_API_SERVER)], ArgumentValue]
ControllerManagerArgs = Mapping[Annotated[str, _argument_name(_OF_CONTROLLERS)], ArgumentValue]
SchedulerArgs = Mapping[Annotated[str, _argument_name({})], ArgumentValue]
KubeletArgs = Mapping[Annotated[str, _argument_name(_OF_KUBELET)], ArgumentValue]
