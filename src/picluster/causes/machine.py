"""What a machine lacks that K3s needs: its kernel, disk, memory, network and programs."""

from __future__ import annotations

from picluster.causes.cause import Cause

DISK: tuple[Cause, ...] = (
    Cause(
        r"no space left on device",
        "the disk is full",
        "free some space: `df -h` and `du -xhd1 /var` show where",
    ),
    Cause(
        r"(/var/lib/rancher|/var/lib/kubelet|/etc/rancher|/run/k3s)\S*: read-only file system",
        "the disk became read-only, as a card does that is wearing out, or a file system with "
        "errors",
        "`dmesg` on NODE says why; save what is on it, and replace the card",
    ),
)

KERNEL: tuple[Cause, ...] = (
    Cause(
        r"failed to find memory cgroup",
        "the kernel runs without the memory cgroup",
        "run `picluster phase prepare`: it enables it in cmdline.txt and reboots the node",
    ),
    Cause(
        r"failed to find (cpu|cpuset) cgroup \(v2\)",
        "the kernel runs without a cgroup that K3s needs",
        "add cgroup_enable=cpuset to the line in cmdline.txt of NODE's boot partition, and reboot",
    ),
    Cause(
        r"configured to not run on a host using cgroup v1",
        "the system uses cgroup v1, which Kubernetes takes no more since 1.35",
        "take systemd.unified_cgroup_hierarchy=0 out of NODE's boot command line and reboot; or "
        "k3s.kubelet_args: {fail-cgroupv1: false}, as long as Kubernetes lets it",
    ),
    Cause(
        r"inotify_init: too many open files|inotify.*(too many open files|no space left)|"
        r"fsnotify watcher: too many open files",
        "the kernel's limit of file watchers is used up",
        "`picluster phase prepare`; if they are used up all the same, raise "
        "fs.inotify.max_user_instances and fs.inotify.max_user_watches in prepare.sysctls",
    ),
    Cause(
        r"nf_conntrack_max: permission denied",
        "kube-proxy may not change the kernel's table of connections, as in a container",
        "have it left alone: kube-proxy-arg: [conntrack-max-per-core=0, conntrack-min=0] in "
        "k3s.server_options and k3s.agent_options",
        last_words=True,
    ),
    Cause(
        r"vxlan.*operation not supported|operation not supported.*vxlan|"
        r"flannel exited: operation not supported",
        "the kernel has no vxlan module",
        "on Ubuntu install linux-modules-extra-raspi and reboot, or set "
        "k3s.flannel_backend: host-gw",
    ),
    Cause(
        r"could not create wireguard interface: operation not supported",
        "the kernel has no wireguard module",
        "use a kernel that has it (Linux has since 5.6), or set k3s.flannel_backend: vxlan",
    ),
    Cause(
        r"snapshotter cannot be enabled for",
        "the file system below /var/lib/rancher cannot carry overlays, which containers need",
        "have /var/lib/rancher on ext4; `modprobe overlay` on NODE says whether the kernel can",
    ),
    Cause(
        r"bridge-nf-call-ip6?tables: no such file",
        "the kernel module br_netfilter is not loaded, so pods do not reach services",
        "run `picluster phase prepare`: it loads it, now and at every boot",
        passing=True,
    ),
    Cause(
        r"Failed with result 'oom-kill'|killed by the OOM killer",
        "the machine has too little memory: the kernel ended K3s",
        "make it an agent, take applications off it, or use a machine with more memory (a server "
        "wants 2 GB)",
    ),
)

NETWORK: tuple[Cause, ...] = (
    Cause(
        r"bind: address already in use",
        "a port that K3s needs is taken by another program",
        "see which with `ss -ltnp`, and stop that program",
    ),
    Cause(
        r"no default routes found in|unable to select an IP from default routes|"
        r"Unable to find default (v6 )?route",
        "the node has no default route, by which K3s finds its address and interface",
        "give NODE a gateway in its network settings; any address of its own network will do, "
        "also without the internet",
    ),
    Cause(
        r"not found in the host's network interfaces",
        "the node does not have the address that K3s was given for it",
        "correct the node's `address` or k3s.node_ip, or give the machine that address",
    ),
    Cause(
        r"link has incompatible addresses",
        "flannel's interface is left over from other settings",
        "`ip link delete flannel.1` on NODE, then `picluster restart --node NODE`",
    ),
    Cause(
        r'"?iptables"?: executable file not found|iptables binary was not found|'
        r"failed to (find|locate) iptables",
        "iptables is not installed",
        "`apt-get install iptables` on NODE, or add it to prepare.packages and `picluster phase "
        "prepare`",
    ),
)

RUNTIME: tuple[Cause, ...] = (
    Cause(
        r"containerd: exit status|containerd exited: ",
        "containerd, which runs the containers, ended",
        "the end of /var/lib/rancher/k3s/agent/containerd/containerd.log on NODE says why",
    ),
)

MACHINE = (*KERNEL, *NETWORK, *DISK, *RUNTIME)
