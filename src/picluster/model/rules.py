"""Rules about the cluster as a whole: what no single field can know.

Each rule yields findings. A finding names the values that it was drawn from, so that it can be
dropped when one of them turned out to be bad in itself: nobody wants two messages for one typo.
Rules also run on a lenient reading, in which any value may be None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from picluster.model.names import repels
from picluster.model.network import as_ip, as_network, bracketed
from picluster.model.rancher import newest_kubernetes
from picluster.model.refusal import nearest
from picluster.model.storage import DATA_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    from picluster.model.cluster import Cluster

Loc = tuple[str | int, ...]

_MOST_SERVERS = 5
_PORTS_TAKEN = {22, 2379, 2380, 2381, 6443, 6444, 10248, 10249, 10250, 10256, 10257, 10258, 10259}
_NODE_PORTS = range(30000, 32768)
_POD_NETWORK_OF_A_NODE = {4: 24, 6: 64}
_SMALLEST_SERVICE_PREFIX = {4: 12, 6: 108}
_LONGEST_PREFIX_WITH_A_TENTH_ADDRESS = {4: 28, 6: 124}


@dataclass(frozen=True)
class Breach:
    """A breach of a rule: where to point, what is wrong, how to mend it, what it was drawn from."""

    loc: Loc
    what: str
    fix: str
    value: object = None
    drawn_from: tuple[Loc, ...] = ()

    def stands_on(self, loc: Loc) -> bool:
        """Whether a bad value at `loc` takes the ground from under this finding."""
        return any(read[: len(loc)] == loc for read in (self.loc, *self.drawn_from))


def findings(cluster: Cluster) -> Iterator[Breach]:
    """Try every rule."""
    for rule in _RULES:
        yield from rule(cluster)


def _names_differ(cluster: Cluster) -> Iterator[Breach]:
    names = [(("nodes", i, "name"), node.name) for i, node in enumerate(cluster.nodes)]
    yield from _repeated(names, "is already the name of", "give each node a name of its own")


def _addresses_differ(cluster: Cluster) -> Iterator[Breach]:
    places = [(("nodes", i, "address"), node.address) for i, node in enumerate(cluster.nodes)]
    yield from _repeated(places, "is already the address of", "give each node its own address")
    inside = [(("nodes", i, "k3s", "node_ip"), n.k3s.node_ip) for i, n in enumerate(cluster.nodes)]
    yield from _repeated(inside, "is already the node_ip of", "give each node its own node_ip")


def _repeated(values: Iterable[tuple[Loc, Hashable]], what: str, fix: str) -> Iterator[Breach]:
    first: dict[Hashable, Loc] = {}
    for loc, value in values:
        if value is None:
            continue
        other = first.setdefault(value, loc)
        if other != loc:
            yield Breach(loc, f"{what} {other[0]}[{other[1]}]", fix, value, (other,))


def _taints_differ(cluster: Cluster) -> Iterator[Breach]:
    for i, node in enumerate(cluster.nodes):
        seen: set[tuple[str, str]] = set()
        for j, taint in enumerate(node.taints or ()):
            key, effect = taint.rpartition(":")[0].partition("=")[0], taint.rpartition(":")[2]
            if (key, effect) in seen:
                what = "has the key and effect of an earlier taint of this node"
                yield Breach(("nodes", i, "taints", j), what, "leave one of them out", taint)
            seen.add((key, effect))


def _there_are_nodes(cluster: Cluster) -> Iterator[Breach]:
    if not cluster.nodes:
        yield Breach(("nodes",), "is empty", "add at least one node, a server")


def _servers_can_vote(cluster: Cluster) -> Iterator[Breach]:
    count = len([node for node in cluster.nodes if node.role == "server"])
    roles = tuple(("nodes", i, "role") for i in range(len(cluster.nodes)))
    what = {
        0: "has no server; one node has to run the control plane" if cluster.nodes else "",
        2: "has 2 servers, and losing either of them would stop the cluster: both are needed for a "
        "majority of two, so this is less safe than one",
        4: "has 4 servers, which survive the loss of one, as 3 do, at the price of one more",
    }.get(count)
    if count > _MOST_SERVERS:
        what = f"has {count} servers; every write waits for a majority of them, slow beyond five"
    if what:
        fix = "make 1, 3 or 5 of them servers (`role: server`), and the others agents"
        yield Breach(("nodes",), what, fix, drawn_from=roles)


def _pods_have_somewhere_to_run(cluster: Cluster) -> Iterator[Breach]:
    locs = tuple(("nodes", i, "taints") for i in range(len(cluster.nodes)))
    if cluster.nodes and all(repels(node.taints or ()) for node in cluster.nodes):
        what = "all have taints that keep pods away, which leaves nowhere to run them"
        yield Breach(("nodes",), what, "take the taints off one node at least", drawn_from=locs)


def _networks_fit(cluster: Cluster) -> Iterator[Breach]:
    pods, services = as_network(cluster.k3s.cluster_cidr), as_network(cluster.k3s.service_cidr)
    pods_at, services_at = ("k3s", "cluster_cidr"), ("k3s", "service_cidr")
    if pods and services:
        if pods.version != services.version:
            what = "and k3s.cluster_cidr are not of the same kind"
            yield Breach(services_at, what, "use IPv4 for both, or IPv6", str(services), (pods_at,))
        elif pods.overlaps(services):
            what = f"overlaps k3s.cluster_cidr ({pods})"
            fix = "give pods and services networks of their own"
            yield Breach(services_at, what, fix, str(services), (pods_at,))
    if services and services.prefixlen < _SMALLEST_SERVICE_PREFIX[services.version]:
        what = "is larger than the API server accepts"
        fix = f"write a prefix of /{_SMALLEST_SERVICE_PREFIX[services.version]} or longer"
        yield Breach(services_at, what, fix, str(services))


def _pods_network_has_room(cluster: Cluster) -> Iterator[Breach]:
    pods = as_network(cluster.k3s.cluster_cidr)
    args = cluster.k3s.kube_controller_manager_args or {}
    if pods is None or any(name.startswith("node-cidr-mask-size") for name in args):
        return
    each = _POD_NETWORK_OF_A_NODE[pods.version]
    room = 2 ** (each - pods.prefixlen) if pods.prefixlen <= each else 0
    if room < len(cluster.nodes):
        what = f"has room for {room} nodes, at a /{each} for each of them"
        fix = "write a network with a shorter prefix, such as 10.42.0.0/16"
        yield Breach(("k3s", "cluster_cidr"), what, fix, str(pods), (("nodes",),))


def _networks_leave_nodes_alone(cluster: Cluster) -> Iterator[Breach]:
    for field in ("cluster_cidr", "service_cidr"):
        network = as_network(getattr(cluster.k3s, field))
        for loc, text in _node_addresses(cluster):
            ip = as_ip(text)
            if network and ip and ip in network:
                what = f"lies inside k3s.{field} ({network}), which belongs to the cluster"
                fix = f"move k3s.{field} to a network that no machine of yours is in"
                yield Breach(loc, what, fix, text, (("k3s", field),))


def _node_addresses(cluster: Cluster) -> Iterator[tuple[Loc, str | None]]:
    for i, node in enumerate(cluster.nodes):
        yield ("nodes", i, "address"), node.address
        yield ("nodes", i, "k3s", "node_ip"), node.k3s.node_ip
    if cluster.k3s.vip is not None:
        yield ("k3s", "vip", "address"), cluster.k3s.vip.address


def _vip_is_free(cluster: Cluster) -> Iterator[Breach]:
    """Check the API's own address; a node that had it too would be taken for the API."""
    if cluster.k3s.vip is None:
        return
    at, address = ("k3s", "vip", "address"), cluster.k3s.vip.address
    ip, pods = as_ip(address), as_network(cluster.k3s.cluster_cidr)
    for i, node in enumerate(cluster.nodes):
        if ip is not None and ip in (as_ip(node.address), as_ip(node.k3s.node_ip)):
            what = f"is already the address of nodes[{i}]"
            yield Breach(at, what, "write an address that nobody has", address)
    if ip and pods and ip.version != pods.version:
        what = f"is not IPv{pods.version}, as k3s.cluster_cidr ({pods}) is"
        fix = f"write an IPv{pods.version} address of the servers' network"
        yield Breach(at, what, fix, address, (("k3s", "cluster_cidr"),))


def _node_ips_are_of_the_pods_kind(cluster: Cluster) -> Iterator[Breach]:
    pods = as_network(cluster.k3s.cluster_cidr)
    for i, node in enumerate(cluster.nodes):
        ip = as_ip(node.k3s.node_ip)
        if pods and ip and ip.version != pods.version:
            what = f"is not IPv{pods.version}, as k3s.cluster_cidr ({pods}) is"
            loc = ("nodes", i, "k3s", "node_ip")
            fix = f"write the node's IPv{pods.version} address"
            yield Breach(loc, what, fix, node.k3s.node_ip, (("k3s", "cluster_cidr"),))


def _dns_is_a_service(cluster: Cluster) -> Iterator[Breach]:
    services, dns = as_network(cluster.k3s.service_cidr), as_ip(cluster.k3s.cluster_dns)
    at, read = ("k3s", "cluster_dns"), (("k3s", "service_cidr"), ("k3s", "cluster_dns"))
    if services is None:
        return
    small = services.prefixlen > _LONGEST_PREFIX_WITH_A_TENTH_ADDRESS[services.version]
    if dns is None and small:
        what = "is too small to have a tenth address, where the DNS service would be"
        yield Breach(read[0], what, "write a /16, or set k3s.cluster_dns", str(services), read)
    if dns is None:
        return
    tenth = services.network_address + min(10, services.num_addresses - 1)
    if dns not in services:
        what = f"is not in k3s.service_cidr ({services})"
        yield Breach(at, what, f"write {tenth}, or leave it out", str(dns), read)
    elif dns in _reserved(services):
        what = "is taken by the network itself or by the API server"
        yield Breach(at, what, f"write {tenth}, or leave it out", str(dns), read)


def _reserved(services: IPv4Network | IPv6Network) -> set[IPv4Address | IPv6Address]:
    """The network's own address, the first (which the API server takes), and the broadcast one."""
    first = services.network_address
    return {first, first + 1, services.broadcast_address}


def _registry_has_a_home(cluster: Cluster) -> Iterator[Breach]:
    if cluster.registry is None:
        return
    names = [node.name for node in cluster.nodes if node.name]
    home = cluster.registry.node
    if home and home not in names:
        yield _no_such_node(cluster, ("registry", "node"), home)
    port = cluster.registry.port
    if port in _PORTS_TAKEN or port in _NODE_PORTS:
        what = "is a port that SSH or K3s needs on that node"
        yield Breach(("registry", "port"), what, "write another one, such as 5000", port)


def _no_such_node(cluster: Cluster, at: Loc, name: str) -> Breach:
    names = [node.name for node in cluster.nodes if node.name]
    meant = nearest(name, names)
    fix = f"did you mean {meant}?" if meant else f"write one of: {', '.join(names)}"
    locs = tuple(("nodes", i, "name") for i in range(len(cluster.nodes)))
    return Breach(at, "is not the name of a node", fix, name, locs)


def _registry_logins_are_whole(cluster: Cluster) -> Iterator[Breach]:
    registry = cluster.registry
    if registry is None or (registry.username is None) == (registry.password is None):
        return
    given, other = ("username", "password") if registry.username else ("password", "username")
    yield Breach(
        ("registry", given),
        f"has no registry.{other} to go with it",
        f"write registry.{other} too, or leave both out",
        drawn_from=(("registry", other),),
    )


def _mirrors_fit(cluster: Cluster) -> Iterator[Breach]:
    mirrors = [each for each in cluster.k3s.mirrors or () if each is not None]
    access = [each for each in cluster.k3s.registry_access or () if each is not None]
    own = set() if cluster.registry is None else set(_own_registry_names(cluster))
    for field, names in (
        ("mirrors", [each.registry for each in mirrors]),
        ("registry_access", [each.host for each in access]),
    ):
        part = "registry" if field == "mirrors" else "host"
        places: list[tuple[Loc, Hashable]] = [
            (("k3s", field, i, part), name) for i, name in enumerate(names)
        ]
        for i, (loc, name) in enumerate(places):
            if name is not None and name in names[:i]:
                yield Breach(loc, f"is in k3s.{field} twice", "leave one of them out", name)
            elif name in own:
                what = "is the cluster's own registry, which nodes know already"
                yield Breach(loc, what, "leave it out", name, (("registry", "node"),))
    for i, mirror in enumerate(mirrors):
        at: Loc = ("k3s", "mirrors", i)
        if not mirror.endpoints and mirror.rewrites:
            what = "has rewrites and no endpoint that they are for"
            yield Breach((*at, "registry"), what, "write its endpoints", mirror.registry)
        elif not mirror.endpoints and not cluster.k3s.embedded_registry:
            what = "has no endpoints, and nodes share no images either"
            fix = "write its endpoints, or `embedded_registry: true`"
            read: tuple[Loc, ...] = (("k3s", "embedded_registry"),)
            yield Breach((*at, "registry"), what, fix, mirror.registry, read)
    for i, each in enumerate(access):
        if (each.username is None) != (each.password is None):
            given, other = ("username", "password") if each.username else ("password", "username")
            loc = ("k3s", "registry_access", i, given)
            yield Breach(loc, f"has no {other} to go with it", "write both, or leave both out")


def _own_registry_names(cluster: Cluster) -> Iterator[str]:
    registry = cluster.registry
    home = next((n for n in cluster.nodes if registry and n.name == registry.node), None)
    if registry is not None and home is not None and home.name and home.address:
        for name in (home.name, cluster.fqdn(home), bracketed(home.address)):
            yield f"{name}:{registry.port}"


def _images_are_built_somewhere(cluster: Cluster) -> Iterator[Breach]:
    images = cluster.images
    if images is None:
        return
    if images.build and cluster.registry is None:
        what = "has nowhere to go: the cluster has no registry"
        yield Breach(("images", "build"), what, "add a `registry:` section with its node")
    names = [node.name for node in cluster.nodes]
    if images.builder and images.builder not in names:
        yield _no_such_node(cluster, ("images", "builder"), images.builder)


def _applications_have_a_registry(cluster: Cluster) -> Iterator[Breach]:
    if cluster.opentakserver is not None and cluster.registry is None:
        what = "has nowhere to keep its images: the cluster has no registry"
        yield Breach(("opentakserver",), what, "add a `registry:` section with its node")


def _images_have_one_source(cluster: Cluster) -> Iterator[Breach]:
    seen: set[str] = set()
    for number, image in enumerate((cluster.images and cluster.images.build) or ()):
        if image is None:  # a lenient reading's
            continue
        at: Loc = ("images", "build", number)
        if image.name and image.tag and image.reference in seen:
            what = f"is a second image called {image.reference}"
            yield Breach((*at, "name"), what, "give it another name or tag", image.name)
        seen.add(image.reference)
        sources = tuple((*at, key) for key in ("context", "git", "ref"))
        if (image.context is None) == (image.git is None):
            yield Breach(
                (*at, "name"),
                "has to have either a context or a git repository",
                "write `context: DIRECTORY`, or `git: URL` with `ref: TAG`",
                image.name,
                sources,
            )
        elif (image.git is None) != (image.ref is None):
            what = "has git without ref, or ref without git"
            yield Breach((*at, "name"), what, "write both, or neither", image.name, sources)


def _storage_fits(cluster: Cluster) -> Iterator[Breach]:
    for i, node in enumerate(cluster.nodes):
        disks = node.disks or ()
        if disks and cluster.longhorn is None:
            what = "is for Longhorn, which the cluster does not have"
            yield Breach(("nodes", i, "disks"), what, "add a `longhorn:` section, or take it out")
        if len(disks) > 1:
            what = "has more than one disk; Longhorn's data path is one file system"
            yield Breach(("nodes", i, "disks"), what, "name the disk that is to hold the data")
    if cluster.longhorn is None:
        return
    able, wanted = len(cluster.data_nodes), cluster.longhorn.replicas
    if not able and cluster.storage_nodes:
        what = f"leaves no node for the data: none has the label {DATA_LABEL}"
        fix = f'add `labels: {{{DATA_LABEL}: "true"}}` to the nodes that are to keep it'
        yield Breach(("longhorn", "only_labelled"), what, fix, True, (("nodes",),))
    elif wanted is not None and wanted > able:
        what = f"are more copies than there are nodes to keep them ({able})"
        fix = f"write {able} or less, or leave it out"
        yield Breach(("longhorn", "replicas"), what, fix, wanted, (("nodes",),))


def _rancher_knows_kubernetes(cluster: Cluster) -> Iterator[Breach]:
    rancher, k3s = cluster.rancher, cluster.k3s
    if rancher is None or k3s is None or rancher.version is None or k3s.version is None:
        return
    release = newest_kubernetes(rancher.version)
    minor = int(k3s.version.split(".")[1])
    if release is not None and minor > release:
        what = f"does not run on Kubernetes 1.{minor}: it was made for 1.{release} and older"
        fix = "choose a newer release of Rancher, or an older one of K3s"
        at: tuple[Loc, ...] = (("k3s", "version"),)
        yield Breach(("rancher", "version"), what, fix, rancher.version, at)


def _node_ports_differ(cluster: Cluster) -> Iterator[Breach]:
    ots, longhorn, rancher = cluster.opentakserver, cluster.longhorn, cluster.rancher
    ports: list[tuple[Loc, Hashable]] = []
    if ots is not None and ots.ports is not None:
        ports += [(("opentakserver", "ports", name), port) for name, port in ots.ports]
    if longhorn is not None:
        ports.append((("longhorn", "ui_port"), longhorn.ui_port))
    if rancher is not None:
        ports.append((("rancher", "port"), rancher.port))
    first: dict[Hashable, Loc] = {}
    for loc, port in ports:
        if port is None:
            continue
        other = first.setdefault(port, loc)
        if other != loc:
            what = f"is already the port of {'.'.join(map(str, other))}"
            yield Breach(loc, what, "give each a port of its own", port, (other,))


def _apps_are_whole(cluster: Cluster) -> Iterator[Breach]:
    names: list[tuple[Loc, Hashable]] = []
    for i, app in enumerate(cluster.apps or ()):
        if app is None:  # a lenient reading's
            continue
        names.append((("apps", i, "name"), app.name))
        if (app.path is None) == (app.url is None):
            yield Breach(
                ("apps", i, "name"),
                "has to have either a path or a url",
                "write `path: DIRECTORY` or `url: https://...`",
                app.name,
                (("apps", i, "path"), ("apps", i, "url")),
            )
    yield from _repeated(names, "is already the name of", "give each app a name of its own")


_RULES: tuple[Callable[[Cluster], Iterator[Breach]], ...] = (
    _names_differ,
    _addresses_differ,
    _taints_differ,
    _there_are_nodes,
    _servers_can_vote,
    _pods_have_somewhere_to_run,
    _networks_fit,
    _pods_network_has_room,
    _networks_leave_nodes_alone,
    _node_ips_are_of_the_pods_kind,
    _vip_is_free,
    _dns_is_a_service,
    _registry_has_a_home,
    _registry_logins_are_whole,
    _mirrors_fit,
    _images_are_built_somewhere,
    _applications_have_a_registry,
    _images_have_one_source,
    _storage_fits,
    _rancher_knows_kubernetes,
    _node_ports_differ,
    _apps_are_whole,
)
