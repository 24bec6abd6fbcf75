"""What K3s and what runs on it leave on a machine, made for real; and what of others must stay.

Taken from K3s's own `k3s-killall.sh` and `k3s-uninstall.sh` (install.sh of k3s-io/k3s), and where
another source is named from there. The lab's kernel has no wireguard and no dummy interfaces: what
counts is the name.
"""

from __future__ import annotations

from dataclasses import dataclass

DATA = "/var/lib/rancher/k3s"
VIP = "10.213.0.99"
STRANGER = "10.42.77.0/24"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Shell that makes it, and shell that holds as long as it is there."""

    make: str
    there: str


def interface(name: str, kind: str = "bridge") -> Leftover:
    return Leftover(f"ip link add {name} type {kind}", f"ip link show {name}")


def rule(rule: str, chain: str = "", table: str = "filter") -> Leftover:
    new = f"iptables -t {table} -N {chain};" if chain else ""
    word = chain or rule.split("--comment ")[1].split('"')[1].split(maxsplit=1)[0]
    return Leftover(
        f"{new} iptables -t {table} -A {rule}", f"iptables-save -t {table} | grep -q '{word}'"
    )


def process(name: str) -> Leftover:
    """A process by the path of its program; a shell gives it that name."""
    return Leftover(
        f"setsid bash -c \"exec -a '{name}' sleep 3600\" >/dev/null 2>&1 </dev/null &",
        f"pgrep -f '^{name}'",
    )


def file(path: str) -> Leftover:
    return Leftover(f"mkdir -p $(dirname {path}) && echo x >{path}", f"test -e {path}")


def mount(at: str) -> Leftover:
    return Leftover(f"mkdir -p {at} && mount -t tmpfs tmpfs {at}", f"mountpoint -q {at}")


CONTAINERD = f"{DATA}/agent/containerd/io.containerd.snapshotter.v1.overlayfs"
CONTAINER = f"""
mkdir -p {CONTAINERD}/1/fs {CONTAINERD}/1/work /run/k3s/containerd/pod/rootfs
group=/sys/fs/cgroup/pids
[ -d $group ] || group=/sys/fs/cgroup
group=$group/kubepods/burstable/pod1
mkdir -p $group
setsid unshare --mount sh -c 'echo $$ >'$group'/cgroup.procs
  mount -t overlay -o lowerdir=/,upperdir={CONTAINERD}/1/fs,workdir={CONTAINERD}/1/work pod \
    /run/k3s/containerd/pod/rootfs
  exec chroot /run/k3s/containerd/pod/rootfs sleep 4321' >/dev/null 2>&1 </dev/null &
for _ in $(seq 50); do pgrep -f '^sleep 4321' >/dev/null && break; sleep 0.1; done
"""
PODS = {
    "a container whose shim is gone": Leftover(CONTAINER, "pgrep -f '^sleep 4321'"),
    "its control group": Leftover(
        "true", "find /sys/fs/cgroup -maxdepth 2 -name kubepods | grep -q ."
    ),
    "a containerd shim": process(f"{DATA}/data/0a1b/bin/containerd-shim-runc-v2"),
    "containerd": process(f"{DATA}/data/current/bin/containerd"),
    "a network namespace": Leftover("ip netns add cni-1234", "test -e /run/netns/cni-1234"),
    "mounts of containerd": mount("/run/k3s/containerd/shm"),
    "volumes of pods": mount("/var/lib/kubelet/pods/1/volumes/token"),
    "volumes of plugins": mount("/var/lib/kubelet/plugins/driver.longhorn.io/1/globalmount"),
    "addresses of pods": file("/var/lib/cni/networks/cbr0/10.42.0.7"),
}
INTERFACES = {
    "flannel.1": interface("flannel.1", "vxlan id 1 dstport 8472"),
    "flannel-v6.1": interface("flannel-v6.1"),
    "flannel-wg": interface("flannel-wg"),
    "flannel-wg-v6": interface("flannel-wg-v6"),
    "kube-ipvs0": interface("kube-ipvs0"),
    "cni0": interface("cni0"),
    "a pod's end": Leftover(
        "ip link add veth1a2b type veth peer name veth3c4d && ip link set veth1a2b master cni0",
        "ip link show veth1a2b",
    ),
    # rke2-killall.sh (rancher/rke2) and k3s-io/k3s#7618
    "nodelocaldns": interface("nodelocaldns"),
    "cilium_host": interface("cilium_host", "veth peer name cilium_net"),
    "cilium_vxlan": interface("cilium_vxlan"),
    "vxlan.calico": interface("vxlan.calico"),
    # kube-vip/kube-vip#996
    "the VIP": Leftover(f"ip addr add {VIP}/32 dev eth0", f"ip addr | grep -q {VIP}/32"),
}
RULES = {
    "kube-proxy's": rule("FORWARD -j KUBE-FORWARD", "KUBE-FORWARD"),
    "kube-proxy's NAT": rule("PREROUTING -j KUBE-SERVICES", "KUBE-SERVICES", "nat"),
    # kube-router, in chains that are not its own: k3s-io/k3s#7244
    "network policies'": rule(
        'INPUT -m comment --comment "KUBE-ROUTER rule to explicitly ACCEPT traffic" -j ACCEPT'
    ),
    "port mappings'": rule("OUTPUT -j CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-DNAT", "nat"),
    # flannel-io/flannel pkg/trafficmngr/iptables; before 0.20 without chains of its own
    "flannel's": rule("POSTROUTING -j FLANNEL-POSTRTG", "FLANNEL-POSTRTG", "nat"),
    "an older flannel's": rule('FORWARD -m comment --comment "flanneld forward" -j ACCEPT'),
    "Cilium's": rule("INPUT -j CILIUM_INPUT", "CILIUM_INPUT"),
    "those of IPv6": Leftover("ip6tables -N KUBE-FORWARD", "ip6tables-save | grep -q KUBE-FORWARD"),
    "those of the older iptables": Leftover(
        "iptables-legacy -N KUBE-FORWARD", "iptables-legacy-save | grep -q KUBE-FORWARD"
    ),
    "a set of addresses": Leftover(
        "ipset create KUBE-SRC-A1B2 hash:ip && iptables -N KUBE-NWPLCY-A1 && "
        "iptables -A KUBE-NWPLCY-A1 -m set --match-set KUBE-SRC-A1B2 src -j ACCEPT",
        "ipset list -n KUBE-SRC-A1B2",
    ),
    # flannel-io/flannel pkg/trafficmngr/nftables, kube-proxy's nftables mode, CNI's portmap
    "flannel's table": Leftover("nft add table ip flannel-ipv4", "nft list table ip flannel-ipv4"),
    "kube-proxy's table": Leftover("nft add table ip kube-proxy", "nft list table ip kube-proxy"),
    "port mappings' table": Leftover(
        "nft add table ip6 cni_hostport", "nft list table ip6 cni_hostport"
    ),
}
FILES = {
    "configuration": file("/etc/rancher/k3s/config.yaml"),
    "K3s's data": file(f"{DATA}/agent/etc/flannel/net-conf.json"),
    "flannel's note": file("/run/flannel/subnet.env"),
    "CNI's": file("/var/lib/cni/results/x"),
    # kubelet's, which K3s's own script leaves
    "logs of pods": file("/var/log/pods/kube-system_coredns/0.log"),
    "names of logs": file("/var/log/containers/coredns.log"),
    # longhorn/go-iscsi-helper: what the initiator remembers of a volume
    "a volume's target": file("/etc/iscsi/nodes/iqn.2019-10.io.longhorn:pvc-1/10.42.0.7,3260,1"),
    "devices of volumes": file("/dev/longhorn/pvc-1"),
}
RUNNING = PODS | INTERFACES | RULES

OTHERS = {
    "a bridge": interface("br0"),
    "a rule": rule("INPUT -p tcp --dport 8123 -j MINE", "MINE"),
    "a rule that speaks of Kubernetes": rule(
        'INPUT -p tcp --dport 6443 -m comment --comment "For-KUBE- API" -j ACCEPT'
    ),
    "a table": Leftover("nft add table ip mine", "nft list table ip mine"),
    "a set": Leftover("ipset create mine hash:ip", "ipset list -n mine"),
    "Docker's shim": process("/usr/bin/containerd-shim-runc-v2"),
    "a namespace with somebody in it": Leftover(
        "ip netns add cni-theirs && setsid ip netns exec cni-theirs sleep 999 >/dev/null 2>&1 &",
        'test -n "$(ip netns pids cni-theirs)"',
    ),
    "a route into the pods' network": Leftover(
        f"ip route add {STRANGER} dev br0 proto static || "
        f"{{ ip link set br0 up; ip route add {STRANGER} dev br0 proto static; }}",
        f"ip route | grep -q '{STRANGER}'",
    ),
    "an address": Leftover(
        "ip addr add 10.213.0.98/32 dev eth0", "ip addr | grep -q 10.213.0.98/32"
    ),
    "a volume of local-path": file(f"{DATA}/storage/pvc-1_default_photos/photo"),
}
