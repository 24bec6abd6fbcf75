"""What K3s reads at start: config.yaml and the token, rendered from the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import yaml

from picluster.engine.probe import ShellProbe
from picluster.engine.step import Action, Blocked, Change, Decision, Diff, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.files import FileState, whole_file
from picluster.facts.interfaces import INTERFACES
from picluster.model import Cluster, Node
from picluster.model.network import as_ip, bracketed, is_local
from picluster.model.yaml_limits import read_yaml
from picluster.secret import Secret
from picluster.steps.k3s import paths
from picluster.steps.k3s.membership import Joins, Split, Starts, membership
from picluster.steps.k3s.registries import HEADER
from picluster.steps.k3s.state import CREDENTIALS, STATE, passphrase, pinned_ca

Value: TypeAlias = str | int | bool | list[str]

_MODE_PRIVATE = 0o600
_ACCESS_PRIVATE = "600 root:root"


def api_url(cluster: Cluster, server: str) -> str:
    """Return the URL at which nodes reach the API of a server."""
    return f"https://{bracketed(cluster.inside(cluster.node(server)))}:{paths.API_PORT}"


def public_url(cluster: Cluster) -> str:
    """Return the URL that users call the API by: its own address if it has one, or a server's."""
    return f"https://{cluster.entrance}:{paths.API_PORT}"


def server_options(cluster: Cluster, node: Node, role: Starts | Joins) -> dict[str, Value]:
    """Return config.yaml of a server, as data."""
    k3s = cluster.k3s
    options: dict[str, Value] = {
        **_node_options(cluster, node),
        "tls-san": _alternative_names(cluster),
        "cluster-cidr": str(k3s.cluster_cidr),
        "service-cidr": str(k3s.service_cidr),
        "flannel-backend": k3s.flannel_backend,
        "write-kubeconfig-mode": k3s.kubeconfig_mode,
    }
    if k3s.cluster_dns is not None:
        options["cluster-dns"] = str(k3s.cluster_dns)
    lists: dict[str, list[str]] = {
        "disable": list(k3s.disable),
        "kube-apiserver-arg": _arguments(k3s.kube_apiserver_args),
        "kube-controller-manager-arg": _arguments(k3s.kube_controller_manager_args),
        "kube-scheduler-arg": _arguments(k3s.kube_scheduler_args),
    }
    options |= {name: values for name, values in lists.items() if values}
    if cluster.is_ha:
        options |= {
            "etcd-snapshot-schedule-cron": k3s.etcd.snapshot_schedule,
            "etcd-snapshot-retention": k3s.etcd.snapshot_retention,
            "etcd-expose-metrics": k3s.etcd.expose_metrics,
        }
    if k3s.embedded_registry:
        options["embedded-registry"] = True
    if isinstance(role, Joins):
        options["server"] = api_url(cluster, role.server)
    elif cluster.is_ha:
        options["cluster-init"] = True
    return options | _own_options(cluster, node)


def agent_options(cluster: Cluster, node: Node, server: str) -> dict[str, Value]:
    """Return config.yaml of an agent, as data."""
    return {
        **_node_options(cluster, node),
        "server": api_url(cluster, server),
        **_own_options(cluster, node),
    }


def _node_options(cluster: Cluster, node: Node) -> dict[str, Value]:
    """Labels and taints are not here: K3s reads them only when a node registers."""
    k3s, own = cluster.k3s, cluster.k3s_for(node)
    options: dict[str, Value] = {"node-name": node.name, "token-file": paths.TOKEN}
    if own.node_ip is not None:
        options["node-ip"] = str(own.node_ip)
    if own.flannel_iface is not None:
        options["flannel-iface"] = own.flannel_iface
    kubelet = _arguments(k3s.kubelet_args)
    for flag, limits in (
        ("system-reserved", k3s.system_reserved),
        ("kube-reserved", k3s.kube_reserved),
    ):
        if limits:
            kubelet.append(f"{flag}=" + ",".join(f"{key}={limits[key]}" for key in sorted(limits)))
    if k3s.eviction_hard:
        thresholds = sorted(k3s.eviction_hard.items())
        kubelet.append("eviction-hard=" + ",".join(f"{key}<{value}" for key, value in thresholds))
    if kubelet:
        options["kubelet-arg"] = kubelet
    return options


def _own_options(cluster: Cluster, node: Node) -> dict[str, Value]:
    options = cluster.k3s_for(node).options
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in options.items()
    }


def _arguments(arguments: Mapping[str, str]) -> list[str]:
    return [f"{name}={arguments[name]}" for name in sorted(arguments)]


def _alternative_names(cluster: Cluster) -> list[str]:
    """Every server's certificate is good for all of them, so that clients can fail over."""
    names = [str(name) for name in cluster.k3s.tls_san]
    if cluster.k3s.vip is not None:
        names.append(cluster.k3s.vip.address)
    for server in cluster.servers:
        names += [server.address, cluster.inside(server), server.name, cluster.fqdn(server)]
    return list(dict.fromkeys(names))


def render(options: Mapping[str, Value]) -> str:
    """Return the text of config.yaml; the same options always give the same bytes."""
    return HEADER + yaml.safe_dump(dict(options), width=inf)


def joined_server(cluster: Cluster, config: str) -> str | None:
    """Return which server a present config.yaml joins through, if it is one of the file's."""
    try:
        present = read_yaml(config)
    except (yaml.YAMLError, ValueError):
        return None
    url = present.get("server") if isinstance(present, dict) else None
    return next(
        (server.name for server in cluster.servers if api_url(cluster, server.name) == url), None
    )


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """config.yaml of one node. Its `server:` depends on who is in the cluster already."""

    cluster: Cluster
    node: Node
    name: str = "k3s-config"

    @property
    def title(self) -> str:
        return f"{paths.CONFIG} is as the cluster file says"

    def probe(self) -> ShellProbe[FileState]:
        """Read the file and who may read it. It holds no secret: the token has its own file."""
        return whole_file(self.name, paths.CONFIG)

    def decide(self, look: Look) -> Decision:
        """Compare with what the model and the cluster's present members ask for."""
        file = look.read(self.probe())
        present = file.content or ""
        role = self._membership(look, present)
        if isinstance(role, Split):
            return _refuse_split(role)
        unknown = self._unknown_names()
        if unknown:
            return _refuse_names(unknown)
        if isinstance(role, Joins) and not self.node.is_server:
            options = agent_options(self.cluster, self.node, role.server)
        else:
            options = server_options(self.cluster, self.node, role)
        wanted = render(options | self._pods_way(look, options, present))
        if file.access == _ACCESS_PRIVATE and present.rstrip("\n") == wanted.rstrip("\n"):
            return Satisfied()
        return Change(
            f"write {paths.CONFIG}",
            (WriteFile(paths.CONFIG, wanted, _MODE_PRIVATE),),
            reason=_difference(file.access, present, wanted),
            diff=Diff(present, wanted),
        )

    def _unknown_names(self) -> list[str]:
        """Return the names that the configuration would have and that K3s cannot ask for."""
        cluster, home = self.cluster, self.cluster.registry
        needed = [*cluster.servers, *([cluster.node(home.node)] if home else [])]
        return list(dict.fromkeys(n.address for n in needed if is_local(cluster.inside(n))))

    def _pods_way(self, look: Look, options: Mapping[str, Value], present: str) -> dict[str, Value]:
        """Return the interface for flannel where the file names none and there are several.

        Whatever node-ip says, flannel takes the interface of the default route if none is named
        (k3s-io/k3s pkg/agent/flannel/flannel.go), which is Wi-Fi or the cable as it happens. One
        that stands there already stays while it has the address: a Wi-Fi that is down for a moment
        is no reason to restart.
        """
        address = as_ip(str(options.get("node-ip", "")))
        if address is None or "flannel-iface" in options or self._no_flannel:
            return {}
        before = _options(present).get("flannel-iface")
        seen = look.find(INTERFACES)
        if seen is None:
            return {"flannel-iface": str(before)} if before else {}
        carrier = seen.carrying(str(address))
        if carrier is None or (carrier != before and not seen.several(address.version)):
            return {}
        return {"flannel-iface": carrier}

    @property
    def _no_flannel(self) -> bool:
        return self.cluster.k3s.flannel_backend == "none"

    def _membership(self, look: Look, present: str) -> Starts | Joins | Split:
        servers = [server.name for server in self.cluster.servers]
        current = joined_server(self.cluster, present)
        return membership(self.node.name, servers, look.every(STATE), current)


def _difference(access: str, present: str, wanted: str) -> str:
    if not present:
        return "it is missing"
    old, new = _options(present), _options(wanted)
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        return f"differs in {', '.join(changed)}"
    return "its text differs" if present.strip() != wanted.strip() else f"mode and owner: {access}"


def _options(text: str) -> dict[str, object]:
    try:
        read = read_yaml(text)
    except (yaml.YAMLError, ValueError):
        return {}
    return {str(key): value for key, value in read.items()} if isinstance(read, dict) else {}


def _refuse_names(names: Sequence[str]) -> Blocked:
    return Blocked(
        f"K3s cannot look up {', '.join(names)}, which only multicast DNS knows, and nobody here "
        "answers for it",
        "have that node on when this runs, once; or write its IP address as nodes[].address, or as "
        "its k3s.node_ip",
    )


def _refuse_split(split: Split) -> Blocked:
    clusters = " and ".join(", ".join(members) for members in split.clusters)
    return Blocked(
        f"the servers hold the data of different clusters: {clusters}",
        "keep the cluster you need, uninstall K3s on the other servers "
        "(k3s-uninstall.sh removes their data), and run this again",
    )


@dataclass(frozen=True, slots=True)
class TokenFile:
    """The token that the node joins with, readable by root only.

    `candidate` is what a cluster that does not exist yet will be started with; a cluster that
    exists has a token already, and that one is used.
    """

    candidate: Secret
    pinned: bool
    servers: Sequence[str]
    remember: tuple[Action, ...]
    name: str = "k3s-token"
    title: str = "the join token is in a file that only root can read"

    def probe(self) -> ShellProbe[FileState]:
        return whole_file(self.name, paths.TOKEN, secret=True)

    def decide(self, look: Look) -> Decision:
        """Want the running cluster's token, or the candidate when there is no cluster."""
        token = cluster_token(look, self.servers)
        wanted = token or self.candidate
        if token and self.pinned and passphrase(token) != passphrase(self.candidate):
            return Blocked(
                "the token that k3s.token refers to is not the one this cluster was made with",
                f"refer to the one in {paths.SERVER_DIR}/token on a server, or leave k3s.token out",
            )
        file = look.read(self.probe())
        present = Secret((file.content or "").strip())
        if file.access == _ACCESS_PRIVATE and _opens(present, wanted):
            return Satisfied()
        return Change(
            f"write {paths.TOKEN} (only root can read it)",
            (*self.remember, WriteFile(paths.TOKEN, wanted, _MODE_PRIVATE)),
            reason="it differs" if file.content else "it is missing",
        )


def _opens(present: Secret, wanted: Secret) -> bool:
    """Whether a token does what the wanted one does: one that names another CA does not."""
    pins = {ca for ca in (pinned_ca(present), pinned_ca(wanted)) if ca}
    return passphrase(present) == passphrase(wanted) and len(pins) <= 1


def cluster_token(look: Look, servers: Sequence[str]) -> Secret | None:
    """Return the full token of the cluster that exists, from the first server that has one."""
    for server in servers:
        seen = look.find(CREDENTIALS, server)
        if seen is not None and seen.token is not None:
            return seen.token
    return None
