"""Names by the rules of RFC 1123 and of Kubernetes: hosts, clusters, labels, taints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from picluster.model.refusal import nearest, refuse
from picluster.model.scalars import UNQUOTED

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_KUBE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LONGEST_DNS_NAME = 253
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_ROLE_LABEL = "node-role.kubernetes.io/"
_LABELS_SET_BY_K3S = {
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    f"{_ROLE_LABEL}control-plane",
    f"{_ROLE_LABEL}etcd",
    f"{_ROLE_LABEL}master",
}
_TAINTS_SET_BY_KUBERNETES = {
    f"node.kubernetes.io/{state}"
    for state in (
        "disk-pressure",
        "memory-pressure",
        "network-unavailable",
        "not-ready",
        "pid-pressure",
        "unreachable",
        "unschedulable",
    )
}


def is_dns_name(text: str) -> bool:
    """Whether `text` is a lower-case DNS name that no resolver could take for an IPv4 address."""
    if len(text) > _LONGEST_DNS_NAME or not _DNS_NAME.fullmatch(text):
        return False
    return not text.rsplit(".", 1)[-1].isdigit()


def host_label(value: str) -> str:
    """Check a name without dots: 1 to 63 of a-z, 0-9 and `-`, not all digits."""
    if "." in value and is_dns_name(value.lower()):
        short, _, rest = value.partition(".")
        raise refuse("has a dot", f"write {short.lower()} here, and `domain: {rest.lower()}`")
    if not _DNS_LABEL.fullmatch(value):
        raise refuse(
            "is not an RFC 1123 name",
            "use 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or a digit",
        )
    if value.isdigit() or value == "localhost":
        raise refuse("cannot be told from an address or from this machine", "choose another name")
    return value


def dns_suffix(value: str) -> str:
    """Check a DNS name of one or more lower-case labels that host names may end in."""
    if value == "cluster.local":
        raise refuse("is the domain of services inside Kubernetes", "write another, as cluster.lan")
    if not is_dns_name(value):
        raise refuse(
            "is not a DNS name", "use labels of a-z, 0-9 and '-' joined by dots: cluster.lan"
        )
    return value


def label_key(value: str) -> str:
    """Check the key of a node label that nobody else sets."""
    _qualified(value)
    if value in _LABELS_SET_BY_K3S:
        raise refuse("is a label that K3s sets itself, and would set back", "use another key")
    return value


def label_value(value: str) -> str:
    """Check the value of a label: empty, or 1 to 63 letters, digits, `-`, `_` and `.`."""
    if value and not _KUBE_NAME.fullmatch(value):
        raise refuse(
            "is not a label value",
            "use up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
        )
    return value


def taint(value: str) -> str:
    """Check a taint of the form `key=value:Effect` or `key:Effect`."""
    before, colon, effect = value.rpartition(":")
    if not colon:
        raise refuse("is not a taint", "write key=value:NoSchedule")
    if effect not in EFFECTS:
        meant = nearest(effect, EFFECTS)
        fix = (
            f"did you mean {before}:{meant}?"
            if meant
            else f"end it in one of: {', '.join(EFFECTS)}"
        )
        raise refuse("has an effect that Kubernetes does not know", fix)
    key, _, content = before.partition("=")
    _qualified(key)
    if key in _TAINTS_SET_BY_KUBERNETES:
        raise refuse("is a taint that Kubernetes sets and lifts itself", "use another key")
    label_value(content)
    return value


def _qualified(value: str) -> None:
    prefix, slash, name = value.rpartition("/")
    if (slash and not is_dns_name(prefix)) or not _KUBE_NAME.fullmatch(name):
        raise refuse(
            "has a key that Kubernetes does not allow",
            "use name or example.com/name: up to 63 letters, digits, '-', '_' and '.'",
        )


HostLabel = Annotated[str, AfterValidator(host_label)]
DnsSuffix = Annotated[str, AfterValidator(dns_suffix)]
LabelKey = Annotated[str, AfterValidator(label_key)]
LabelValue = Annotated[str, AfterValidator(label_value), WithJsonSchema(UNQUOTED)]
Taint = Annotated[str, AfterValidator(taint)]


def repels(taints: Iterable[str]) -> bool:
    """Whether pods without tolerations stay away from a node with these taints."""
    return any(taint.endswith((":NoSchedule", ":NoExecute")) for taint in taints)
