"""Options of the stand-in: config.yaml, its drop-ins and the command line, checked by name.

Only the YAML that picluster writes is understood: one level of keys, with plain or quoted scalars
and lists of them, in block or flow form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from .log import fatal

Value: TypeAlias = str | int | bool | list[str] | None


def _words(text: str) -> list[str]:
    return text.split()


_BOTH = _words("""config data-dir debug v vmodule log alsologtostderr token token-file node-name
with-node-id node-label node-taint node-ip node-external-ip node-internal-dns node-external-dns
resolv-conf flannel-iface flannel-conf flannel-cni-conf kubelet-arg kube-proxy-arg
protect-kernel-defaults selinux lb-server-port rootless docker container-runtime-endpoint
pause-image snapshotter private-registry server image-credential-provider-bin-dir
image-credential-provider-config image-service-endpoint disable-default-registry-endpoint
nonroot-devices prefer-bundled-bin enable-pprof airgap-extra-registry default-runtime
disable-apiserver-lb node-name-from-cloud-provider-metadata""")
_SERVER = _words("""cluster-init cluster-reset cluster-reset-restore-path
bind-address https-listen-port
advertise-address advertise-port tls-san tls-san-security cluster-cidr service-cidr
service-node-port-range cluster-dns cluster-domain flannel-backend flannel-ipv6-masq
flannel-external-ip egress-selector-mode servicelb-namespace write-kubeconfig
write-kubeconfig-mode write-kubeconfig-group helm-job-image kube-apiserver-arg
etcd-arg kube-controller-manager-arg kube-scheduler-arg kube-cloud-controller-manager-arg
datastore-endpoint datastore-cafile datastore-certfile datastore-keyfile kine-tls
etcd-expose-metrics etcd-disable-snapshots etcd-snapshot-name etcd-snapshot-schedule-cron
etcd-snapshot-retention etcd-snapshot-dir etcd-snapshot-compress etcd-s3 etcd-s3-endpoint
etcd-s3-endpoint-ca etcd-s3-skip-ssl-verify etcd-s3-access-key etcd-s3-secret-key etcd-s3-bucket
etcd-s3-region etcd-s3-folder etcd-s3-timeout etcd-s3-insecure etcd-s3-proxy etcd-s3-retention
etcd-s3-config-secret etcd-s3-session-token etcd-snapshot-reconcile-interval
default-local-storage-path disable disable-scheduler disable-cloud-controller disable-kube-proxy
disable-network-policy disable-helm-controller disable-apiserver disable-controller-manager
disable-etcd embedded-registry supervisor-metrics secrets-encryption secrets-encryption-provider
system-default-registry agent-token agent-token-file vpn-auth vpn-auth-file multus
kube-controller-manager-args enable-kube-router""")
_LISTS = frozenset(
    _words("""node-label node-taint node-ip node-external-ip kubelet-arg kube-proxy-arg tls-san
    cluster-cidr service-cidr cluster-dns kube-apiserver-arg kube-controller-manager-arg
    kube-scheduler-arg etcd-arg disable airgap-extra-registry
    kube-cloud-controller-manager-arg""")
)
_SWITCHES = frozenset(
    _words("""debug with-node-id selinux protect-kernel-defaults rootless docker prefer-bundled-bin
    enable-pprof cluster-init cluster-reset etcd-expose-metrics etcd-disable-snapshots
    etcd-snapshot-compress etcd-s3 flannel-ipv6-masq flannel-external-ip disable-scheduler
    disable-cloud-controller disable-kube-proxy disable-network-policy disable-helm-controller
    disable-apiserver disable-controller-manager disable-etcd embedded-registry
    supervisor-metrics secrets-encryption tls-san-security kine-tls
    disable-default-registry-endpoint nonroot-devices disable-apiserver-lb""")
)
_SHORT = {"t": "token", "s": "server", "d": "data-dir", "c": "config", "o": "write-kubeconfig"}
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)$")
_OCTAL = re.compile(r"[-+]?0[0-7_]+$")


def known(role: str) -> frozenset[str]:
    """Return the names of all options of a `server` or an `agent`."""
    return frozenset(_BOTH) | (frozenset(_SERVER) if role == "server" else frozenset())


def parse_yaml(text: str) -> dict[str, Value]:
    """Read the subset of YAML. Raises `ValueError` for anything else."""
    found: dict[str, Value] = {}
    key = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.rstrip()
        bare = line.lstrip()
        if not bare or bare.startswith("#") or line == "---":
            continue
        if bare.startswith("- ") and key:
            items = found[key]
            found[key] = [*(items if isinstance(items, list) else []), _text(bare[2:].strip())]
            continue
        name, colon, rest = _split_key(line)
        if line != bare or not colon:
            raise ValueError(f"yaml: line {number}: cannot read {line!r}")
        key, found[name] = name, _value(_uncomment(rest))
        if found[name] is not None:
            key = ""
    return found


def _split_key(line: str) -> tuple[str, bool, str]:
    match = re.match(r"""("[^"]*"|'[^']*'|[^\s:#'"][^:#]*?)\s*:(?:\s+(.*))?$""", line)
    return (match[1].strip("\"'"), True, match[2] or "") if match else ("", False, "")


def _uncomment(text: str) -> str:
    quoted = re.match(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(#.*)?$""", text)
    if quoted:
        return quoted[1]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _value(text: str) -> Value:
    if text.startswith("["):
        inner = text.removeprefix("[").removesuffix("]").strip()
        pattern = r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,]+)\s*(?:,|$)"""
        return [_text(part.strip()) for part in re.findall(pattern, inner)]
    return _scalar(text)


def _text(text: str) -> str:
    value = _scalar(_uncomment(text))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _scalar(text: str) -> str | int | bool | None:
    if text.startswith('"'):
        return str(json.loads(text))
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false", "yes", "no", "on", "off"):
        return text.lower() in ("true", "yes", "on")
    if _OCTAL.match(text):
        return int(text.replace("_", ""), 8)
    return int(text.replace("_", "")) if _INT.match(text) else text


class Options:
    """All options of one start, by name. Drop-ins override; the command line overrides both."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.values: dict[str, Value] = {}

    def text(self, name: str, default: str = "") -> str:
        """Return an option as text; of a list, its first item."""
        value = self.values.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, bool):
            return str(value).lower()
        return default if value is None else str(value)

    def flag(self, name: str) -> bool:
        """Return a switch."""
        return self.text(name).lower() in ("true", "1", "yes")

    def items(self, name: str) -> list[str]:
        """Return a list option; K3s also splits at commas where no key=value is listed."""
        value = self.values.get(name)
        if value is None:
            return []
        listed = value if isinstance(value, list) else [str(value)]
        if name.endswith("-arg"):
            return listed
        return [part for item in listed for part in str(item).split(",") if part]

    def read(self, files: Sequence[Path]) -> None:
        """Take in configuration files; a key ending in `+` appends, as in K3s."""
        for path in files:
            try:
                found = parse_yaml(path.read_text())
            except ValueError as problem:
                fatal(f"failed to load config from {path}: {problem}")
            self._merge(found)

    def _merge(self, found: Mapping[str, Value]) -> None:
        for name, value in found.items():
            plain = name.removesuffix("+")
            self._check(plain)
            old = self.values.get(plain)
            if name != plain and isinstance(old, list):
                self.values[plain] = [*old, *(value if isinstance(value, list) else [str(value)])]
            else:
                self.values[plain] = value

    def parse(self, arguments: Sequence[str]) -> None:
        """Take in command line arguments, which win over files; lists are added to."""
        given: dict[str, Value] = {}
        rest = list(arguments)
        while rest:
            argument = rest.pop(0)
            if not argument.startswith("-"):
                continue
            name, equals, value = argument.lstrip("-").partition("=")
            name = _SHORT.get(name, name)
            self._check(name)
            if name in _LISTS:
                listed = given.setdefault(name, [])
                assert isinstance(listed, list)
                listed.append(value if equals else _next(rest, name))
            elif name in _SWITCHES:
                given[name] = value != "false" if equals else True
            else:
                given[name] = value if equals else _next(rest, name)
        self.values |= given

    def _check(self, name: str) -> None:
        if name not in known(self.role):
            fatal(f"flag provided but not defined: -{name}")


def _next(rest: list[str], name: str) -> str:
    if not rest:
        fatal(f"flag needs an argument: -{name}")
    return rest.pop(0)


def load(role: str, arguments: Sequence[str], config: Path) -> Options:
    """Read all sources. Raises `Fatal` for an option that there is not, and for broken YAML."""
    options = Options(role)
    drop_ins = sorted(config.parent.glob(f"{config.name}.d/*.y*ml"))
    options.read([path for path in [config, *drop_ins] if path.is_file()])
    options.parse(arguments)
    return options
