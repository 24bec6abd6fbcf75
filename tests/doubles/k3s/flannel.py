"""What K3s's network makes of a node: flannel's routes or tunnel, the pods' bridge, a pod, rules.

It is made for real where the stand-in has a machine to itself, so that what a K3s leaves behind is
there to be left; no packet of a pod goes through it. Facts, from flannel-io/flannel and k3s-io/k3s:

- host-gw has a route through every other node (pkg/backend/route_network.go). It goes when the node
  is deleted; what was deleted while flannel did not run stays (flannel-io/flannel#2554), and all
  stay when K3s ends or is uninstalled (k3s-io/k3s#2808).
- vxlan's interface, cni0 and its pods' ends outlive K3s too, and go with k3s-killall.sh; so does
  wireguard's when K3s is killed (pkg/backend/wireguard/device.go). So do pods: the unit has
  KillMode=process, and a shim per pod goes on.
- flannel notes its networks in /run/flannel/subnet.env; CNI notes pods' addresses in /var/lib/cni.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path

from .host import ROOT
from .log import fatal
from .store import Object, write_atomically

Lease = tuple[str, str]
"""A node's pods' network, and the node's address."""

_TUNNELS = {"vxlan": "flannel.1", "wireguard-native": "flannel-wg"}
_SHIM = "/var/lib/rancher/k3s/data/stand-in/bin/containerd-shim-runc-v2"
_RULES = """*filter
:KUBE-FORWARD - [0:0]
:FLANNEL-FWD - [0:0]
-A INPUT -m comment --comment "KUBE-ROUTER rule to explicitly ACCEPT traffic" -j ACCEPT
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:FLANNEL-POSTRTG - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
COMMIT
"""


def leases(nodes: Iterable[Object]) -> dict[str, Lease]:
    """Return what flannel reads of the cluster's nodes, by name."""
    return {
        node["metadata"]["name"]: (
            node["spec"]["podCIDR"],
            node["status"]["addresses"][0]["address"],
        )
        for node in nodes
        if (node.get("spec") or {}).get("podCIDR") and (node.get("status") or {}).get("addresses")
    }


def free_subnet(network: str, nodes: Iterable[Object]) -> str:
    """Return the part of the pods' network that the next node gets (/24; /64 of IPv6)."""
    taken = {subnet for subnet, _ in leases(nodes).values()}
    whole = ip_network(network)
    parts = whole.subnets(new_prefix=24 if whole.version == 4 else 64)
    return next(str(part) for part in parts if str(part) not in taken)


def changes(
    backend: str, known: Mapping[str, Lease], present: Mapping[str, Lease]
) -> list[list[str]]:
    """Return the commands by which flannel follows nodes that came, moved and went."""
    gone = [lease for name, lease in known.items() if present.get(name) != lease]
    come = [lease for name, lease in present.items() if known.get(name) != lease]
    return [
        ["ip", "route", verb, *_way(backend, lease)]
        for verb, leases in (("del", gone), ("replace", come))
        for lease in leases
        if _way(backend, lease)
    ]


def _way(backend: str, lease: Lease) -> list[str]:
    subnet, address = lease
    if backend == "host-gw":
        return [subnet, "via", address]
    if backend == "vxlan":
        return [subnet, "via", subnet.partition("/")[0], "dev", _TUNNELS[backend], "onlink"]
    return []  # wireguard has one route for all, and a peer for each


def make_tunnel(backend: str) -> None:
    """Make flannel's interface, if the backend has one. Raises `Fatal` if the kernel cannot."""
    name = _TUNNELS.get(backend)
    if not name or not _is_real() or Path("/sys/class/net", name).exists():
        return
    kind = ["vxlan", "id", "1", "dstport", "8472"] if backend == "vxlan" else ["wireguard"]
    made = _run("ip", "link", "add", name, "type", *kind)
    if "not supported" in made.stderr.lower():
        fatal("flannel exited: operation not supported")
    if made.returncode != 0:  # a lab's kernel may have no wireguard; what counts is the name
        _run("ip", "link", "add", name, "type", "bridge")


class Network:
    """The network of one node, which follows what a server tells of the others."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[str, Lease] | None = None

    def follow(self, told: Object) -> None:
        """Take in the cluster's nodes. `told` has the backend, the network and the leases."""
        present: dict[str, Lease] = {name: (s, ip) for name, (s, ip) in told["leases"].items()}
        own = present.pop(self._name, None)
        if own is None or told["backend"] == "none" or not _is_real():
            return
        if self._known is None:
            _begin(told["backend"], told["network"], own[0])
        for command in changes(told["backend"], self._known or {}, present):
            _run(*command)
        self._known = present


def _begin(backend: str, network: str, subnet: str) -> None:
    first = next(ip_network(subnet).hosts())
    bits = ip_network(subnet).max_prefixlen
    length = subnet.partition("/")[2]
    note = f"FLANNEL_NETWORK={network}\nFLANNEL_SUBNET={first}/{length}\nFLANNEL_IPMASQ=true\n"
    write_atomically(Path("/run/flannel/subnet.env"), note, 0o644)
    make_tunnel(backend)
    tunnel = _TUNNELS.get(backend)
    if tunnel:
        _run("ip", "addr", "replace", f"{subnet.partition('/')[0]}/{bits}", "dev", tunnel)
        _run("ip", "link", "set", tunnel, "up")
    if backend == "wireguard-native":
        _run("ip", "route", "replace", network, "dev", "flannel-wg")
    _run("ip", "link", "add", "cni0", "type", "bridge")
    _run("ip", "addr", "flush", "dev", "cni0")
    _run("ip", "addr", "add", f"{first}/{length}", "dev", "cni0")
    _run("ip", "link", "set", "cni0", "up")
    _start_pod(subnet)
    _set_rules()


def _start_pod(subnet: str) -> None:
    """Have one pod, which a K3s that starts again finds."""
    if _run("pgrep", "-f", f"^{_SHIM}").returncode == 0:
        return
    space = f"cni-{uuid.uuid4()}"
    _run("ip", "netns", "add", space)
    _run("ip", "link", "add", "veth5ca1ab1e", "type", "veth", "peer", "eth0", "netns", space)
    _run("ip", "link", "set", "veth5ca1ab1e", "master", "cni0", "up")
    address = str(ip_network(subnet)[2])
    write_atomically(Path("/var/lib/cni/networks/cbr0", address), space, 0o644)
    subprocess.Popen(
        [_SHIM, "infinity"],
        executable=shutil.which("sleep"),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _set_rules() -> None:
    """Make some of kube-proxy's, flannel's and the network policies' rules, where one can."""
    if shutil.which("iptables-restore") and "KUBE-FORWARD" not in _run("iptables-save").stdout:
        subprocess.run(["iptables-restore", "--noflush"], input=_RULES, text=True, check=False)


def _is_real() -> bool:
    """Whether the machine is the stand-in's own, and not a directory of a unit test."""
    return Path("/") == ROOT


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
