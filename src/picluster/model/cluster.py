"""The whole cluster, as the user wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from picluster.errors import UsageError
from picluster.model.apps import App
from picluster.model.bootstrap import Bootstrap
from picluster.model.images import Images
from picluster.model.k3s import K3s
from picluster.model.limits import Limits
from picluster.model.names import DnsSuffix, HostLabel, repels
from picluster.model.network import as_ip, as_network, bracketed
from picluster.model.node import Node
from picluster.model.opentakserver import OpenTakServer
from picluster.model.prepare import Prepare
from picluster.model.proxy import Proxy
from picluster.model.rancher import Rancher
from picluster.model.refusal import nearest
from picluster.model.registry import Registry
from picluster.model.section import Section
from picluster.model.ssh import NodeSsh, Ssh
from picluster.model.storage import DATA_LABEL, Longhorn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from picluster.model.options import Option


@dataclass(frozen=True)
class NodeK3s:
    """What is particular to K3s on one node; options are merged, the node's own last."""

    node_ip: str | None
    flannel_iface: str | None
    options: Mapping[str, Option]


class Cluster(Section):
    """The whole cluster, as the user wants it."""

    name: HostLabel
    """Name of the cluster, for its kubeconfig, locks and logs."""
    domain: DnsSuffix | None = None
    """DNS suffix that makes full host names of node names, such as cluster.lan."""
    ssh: Ssh = Ssh()
    """How every node is reached, unless the node differs."""
    bootstrap: Bootstrap = Bootstrap()
    """What first contact leaves behind, where it is by password."""
    nodes: tuple[Node, ...] = Field(json_schema_extra={"minItems": 1})
    """The machines: one, three or five servers and any number of agents."""
    prepare: Prepare = Prepare()
    """What every node's operating system should be like."""
    proxy: Proxy = Proxy()
    """How the nodes reach the internet; directly if left out."""
    k3s: K3s = K3s()
    """What K3s should be like on every node."""
    registry: Registry | None = None
    """The cluster's own image registry; there is none if left out."""
    longhorn: Longhorn | None = None
    """Replicated storage; without, volumes stay on the node they are made on."""
    images: Images = Images()
    """Images that are built for the cluster and pushed to its registry."""
    opentakserver: OpenTakServer | None = None
    """OpenTAKServer with its web interface; it is left out if this is."""
    rancher: Rancher | None = None
    """Rancher, a web interface for the cluster; it is left out if this is."""
    apps: tuple[App, ...] = ()
    """Your own applications: manifests that are applied, and pruned."""
    limits: Limits = Limits()
    """How long to wait, and how much to do at once."""

    @property
    def servers(self) -> tuple[Node, ...]:
        """The nodes that run the control plane, in the order of the file."""
        return tuple(node for node in self.nodes if node.is_server)

    @property
    def agents(self) -> tuple[Node, ...]:
        """The nodes that only run pods, in the order of the file."""
        return tuple(node for node in self.nodes if not node.is_server)

    @property
    def is_ha(self) -> bool:
        """Whether the cluster is meant to survive the loss of a server."""
        return len(self.servers) > 1

    def node(self, name: str) -> Node:
        """Return the node of that name; raises `UsageError` when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        names = [node.name for node in self.nodes]
        meant = nearest(name, names)
        raise UsageError(
            f"no node is called {name!r}",
            fix=f"did you mean {meant}?" if meant else f"the nodes are {', '.join(names)}",
        )

    def fqdn(self, node: Node) -> str:
        """Return the full host name of a node: its name alone when there is no domain."""
        return f"{node.name}.{self.domain}" if self.domain else node.name

    def inside(self, node: Node) -> str:
        """Return the address that other nodes reach a node at: an IP address, if one is known."""
        known = as_ip(node.address) is not None
        return node.address if known else node.k3s.node_ip or node.address

    def ssh_for(self, node: Node) -> NodeSsh:
        """Return how a node is reached: its own settings where it has them, else the cluster's."""
        own, common = node.ssh, self.ssh
        return NodeSsh(
            user=own.user or common.user,
            port=own.port or common.port,
            key=own.key or common.key,
            jump=own.jump or common.jump,
            password=own.password or common.password,
            sudo_password=own.sudo_password or common.sudo_password,
        )

    def prepare_for(self, node: Node) -> Prepare:
        """Return what a node's operating system should be like, its own settings merged in."""
        own = {name: value for name, value in node.prepare if value is not None}
        return self.prepare.model_copy(update=own)

    def k3s_for(self, node: Node) -> NodeK3s:
        """Return what is particular to K3s on a node, with the options of its role merged in."""
        common = self.k3s.server_options if node.is_server else self.k3s.agent_options
        flannel_iface = node.k3s.flannel_iface or self.k3s.flannel_iface
        own_ip = None if flannel_iface else self._usable_ip(node)
        return NodeK3s(
            node_ip=node.k3s.node_ip or own_ip,
            flannel_iface=flannel_iface,
            options={**common, **node.k3s.options},
        )

    def _usable_ip(self, node: Node) -> str | None:
        """Return the node's address if pods could be routed to it.

        Left to choose, K3s takes the interface of the default route: another one on a Pi that has
        both a cable and Wi-Fi, and none at all on a network that leads nowhere.
        """
        ip, pods = as_ip(node.address), as_network(self.k3s.cluster_cidr)
        return node.address if ip and pods and ip.version == pods.version else None

    @property
    def proxy_environment(self) -> Mapping[str, str]:
        """The variables that programs on nodes find the proxy by; none if there is no proxy.

        The cluster itself is reached directly: its networks and domains, and every node.
        """
        urls = {"HTTP_PROXY": self.proxy.http, "HTTPS_PROXY": self.proxy.https}
        found = {name: url for name, url in urls.items() if url}
        if not found:
            return {}
        direct = ["localhost", "127.0.0.0/8", "::1", ".svc", ".cluster.local"]
        direct += [str(self.k3s.cluster_cidr), str(self.k3s.service_cidr)]
        for node in self.nodes:
            direct += [node.name, self.fqdn(node), node.address, node.k3s.node_ip or ""]
        direct += [self.k3s.vip.address] if self.k3s.vip else []
        direct += self.proxy.no_proxy
        return {**found, "NO_PROXY": ",".join(dict.fromkeys(each for each in direct if each))}

    @property
    def storage_nodes(self) -> tuple[Node, ...]:
        """The nodes that pods without tolerations can run on, and so Longhorn's too."""
        return tuple(node for node in self.nodes if not repels(node.taints or ()))

    @property
    def data_nodes(self) -> tuple[Node, ...]:
        """The nodes that Longhorn keeps data on."""
        if self.longhorn is None or not self.longhorn.only_labelled:
            return self.storage_nodes
        return tuple(
            node for node in self.storage_nodes if (node.labels or {}).get(DATA_LABEL) == "true"
        )

    @property
    def replicas(self) -> int:
        """How many copies of a volume Longhorn keeps: three, if there are nodes for them."""
        longhorn = self.longhorn
        if longhorn is not None and longhorn.replicas is not None:
            return longhorn.replicas
        return max(1, min(3, len(self.data_nodes)))

    @property
    def entrance(self) -> str:
        """The host that users come in by, as it stands in a URL: the VIP, or the first server."""
        vip = self.k3s.vip
        return bracketed(vip.address if vip else self.servers[0].address)

    @property
    def by_password(self) -> list[Node]:
        """The nodes that are logged in to by password until their key is there."""
        return [node for node in self.nodes if self.ssh_for(node).password is not None]

    @property
    def bootstrapped(self) -> bool:
        """Whether ways in are to be set up: a node with a password, or logins to be closed."""
        return bool(self.by_password) or self.bootstrap.disable_password_login

    @property
    def builder(self) -> Node | None:
        """The node that images are built on; None if nothing is built."""
        if self.registry is None or not (self.images.build or self.opentakserver):
            return None
        return self.node(self.images.builder or self.registry.node)

    @property
    def registry_endpoints(self) -> Mapping[str, str]:
        """Every `host:port` that images may name the registry by, and the URL that serves it."""
        if self.registry is None:
            return {}
        host, port = self.node(self.registry.node), self.registry.port
        scheme = "https" if self.registry.tls else "http"
        url = f"{scheme}://{bracketed(self.inside(host))}:{port}"
        names = (host.name, self.fqdn(host), bracketed(self.inside(host)))
        return {f"{name}:{port}": url for name in names}
