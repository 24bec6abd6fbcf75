"""A test double for a node that is as it should be: its files and programs, for `tests.forks`.

It is a Raspberry Pi with Debian and cloud-init. Programs that would speak to the running system are
scripts of builtins, so that each costs the one process that the real one costs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from picluster.engine.plan import Judged
from picluster.engine.step import Change, WriteFile

ADDRESS = "10.0.0.11"
KERNEL = "6.12.25+rpt-rpi-v8"
CONTROLLERS = "cpuset cpu io memory pids"
PACKAGES = (
    *("socat", "conntrack", "ipset", "open-iscsi", "nfs-common", "systemd-timesyncd", "tzdata"),
    *("locales", "curl", "wget", "git", "jq", "htop", "vim", "nano", "ca-certificates"),
    *("docker.io", "docker-cli"),
)


# `systemctl show` prints each unit's properties in an order of its own, and a blank line between
# units; a unit that is not there is said to be so, without an error.
_SYSTEMCTL = """#!/bin/sh
known() {
  case $1 in
    iscsid | k3s | docker) set -- "$1" enabled active yes ;;
    systemd-timesyncd) set -- "$1" enabled active yes ;;
    *) return 1 ;;
  esac
  enabled=$2 active=$3
}
verb=$1
shift
wanted=
units=
for word in "$@"; do
  case $word in
    --property=*) wanted=$wanted,${word#--property=}, ;;
    -*) ;;
    Id | Result | ConditionResult) ;;
    *) units="$units ${word%.service}" ;;
  esac
done
first=yes
for unit in $units; do
  enabled= active=inactive loaded=not-found
  ! known "$unit" || loaded=loaded
  case $verb in
    is-active) echo "$active"; [ $active = active ]; exit ;;
    is-enabled)
      [ "$enabled" ] || { echo "Failed to get unit file state for $unit.service" >&2; exit 1; }
      echo "$enabled"; exit ;;
    show)
      [ $first = yes ] || echo
      first=no
      for property in Result=success ConditionResult=yes "Names=$unit.service" \\
        "LoadState=$loaded" "ActiveState=$active" "UnitFileState=$enabled" SubState=running \\
        NRestarts=0; do
        case $wanted in "" | *",${property%%=*},"*) echo "$property" ;; esac
      done ;;
  esac
done
exit 0
"""
_IP = f"""#!/bin/sh
case "$*" in
  *-br*link*)
    echo 'lo       UNKNOWN  00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP> '
    echo 'eth0     UP       d8:3a:dd:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP> '
    echo 'cni0     UP       3a:00:00:00:00:09 <BROADCAST,MULTICAST,UP,LOWER_UP> ' ;;
  *"-6"*) echo 'fe80::/64 dev eth0 proto kernel metric 256 pref medium' ;;
  *route*default*) echo 'default via 10.0.0.1 dev eth0 proto dhcp metric 100' ;;
  *route*)
    echo 'default via 10.0.0.1 dev eth0 proto dhcp metric 100'
    echo '10.0.0.0/24 dev eth0 proto kernel scope link src {ADDRESS}' ;;
  *addr*)
    echo '1: lo    inet 127.0.0.1/8 scope host lo\\\\       valid_lft forever'
    echo '2: eth0    inet {ADDRESS}/24 brd 10.0.0.255 scope global eth0\\\\       valid_lft 9sec'
    echo '2: eth0    inet6 fe80::1/64 scope link \\\\       valid_lft forever' ;;
esac
"""
_PROGRAMS = {
    "systemctl": _SYSTEMCTL,
    "ip": _IP,
    "ss": "#!/bin/sh\n",
    "dpkg": '#!/bin/sh\n[ "$1" != --print-architecture ] || echo arm64\n',
    "apt-get": "#!/bin/sh\n",
    "modprobe": "#!/bin/sh\nexit 1\n",
    "systemd-detect-virt": "#!/bin/sh\nexit 1\n",
    "uname": f"#!/bin/sh\necho pi1 {KERNEL}\n",
    "df": """#!/bin/sh
case $* in
  *--output=size,avail*) echo "1K-blocks Avail"; echo "60000000 30000000" ;;
  *--output=avail*) echo Avail; echo 30000000000 ;;
  *) echo heading; for each; do echo "sda1 9 9 30000000000 1% $each"; done ;;
esac
""",
    "docker": "#!/bin/sh\ncase $* in *image*) echo image=sha256:0 ;; esac\n",
    "dockerd": "",
    "curl": "#!/bin/sh\nprintf 200\n",
    "locale": "#!/bin/sh\necho C; echo C.utf8; echo en_GB.utf8; echo POSIX\n",
}
_FILES = {
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian"\nID=debian\n',
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/hostname": "pi1\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tpi1\n",
    "etc/fstab": "# <file system>\nPARTUUID=0-2  /  ext4  defaults,noatime  0  1\n",
    "etc/default/locale": "LANG=en_GB.UTF-8\n",
    "etc/ssh/ssh_host_ed25519_key.pub": "ssh-ed25519 AAAA root@pi1\n",
    "etc/iscsi/initiatorname.iscsi": "## a comment\nInitiatorName=iqn.1993-08.org.debian:01:1\n",
    "etc/cloud/cloud.cfg.d/README": "",
    "etc/cloud/templates/hosts.debian.tmpl": "127.0.1.1 {{fqdn}} {{hostname}}\n",
    f"usr/lib/modules/{KERNEL}/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
    "boot/firmware/cmdline.txt": "console=tty1 root=PARTUUID=0-2\n",
    "run/systemd/timesync/synchronized": "",
    "var/lib/apt/lists/deb.debian.org_dists_trixie_main_binary-arm64_Packages": "",
    "var/lib/apt/lists/partial/none": "",
    "sys/fs/cgroup/cgroup.controllers": CONTROLLERS + "\n",
    "sys/class/thermal/thermal_zone0/temp": "51000\n",
    "proc/cmdline": "console=tty1 root=PARTUUID=0-2 cgroup_disable=memory cgroup_enable=memory\n",
    "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n",
    "proc/filesystems": "nodev\tproc\n\text4\n",
    "proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t1\t1\n",
    "proc/1/comm": "systemd\n",
    "proc/sys/net/ipv4/ip_forward": "1\n",
    "proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
    "proc/sys/net/bridge/bridge-nf-call-ip6tables": "1\n",
    "proc/sys/fs/inotify/max_user_instances": "8192\n",
    "proc/sys/fs/inotify/max_user_watches": "524288\n",
    "proc/meminfo": "MemTotal:        8003584 kB\nMemFree:  99 kB\nMemAvailable:  7000000 kB\n",
    "proc/loadavg": "0.10 0.20 0.30 1/200 4242\n",
    "proc/uptime": "86400.11 300000.00\n",
}
_MODULES = ("overlay", "br_netfilter", "nf_conntrack", "vxlan", "iscsi_tcp")


def node_tree(root: Path) -> Path:
    """Make the tree of a node and return it."""
    for path, text in _FILES.items():
        put(root, path, text)
    for name, text in _PROGRAMS.items():
        put(root, f"usr/local/sbin/{name}", text, 0o755)
    for module in _MODULES:
        (root / "sys/module" / module).mkdir(parents=True)
    for unit in ("iscsid", "docker", "systemd-timesyncd"):
        put(root, f"usr/lib/systemd/system/{unit}.service", "")
    (root / "var/lib/dpkg/updates").mkdir(parents=True)
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"
        f"Maintainer: nobody\nDescription: none\n\n"
        for name in PACKAGES
    )
    put(root, "var/lib/dpkg/status", status)
    return root


def put(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the tree."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def with_k3s(root: Path, version: str) -> Path:
    """Have K3s of that version run on the node of a tree, as a server with etcd."""
    put(root, "usr/local/bin/k3s", f"#!/bin/sh\necho 'k3s version {version} (0123)'\n", 0o755)
    put(root, "usr/local/lib/picluster/record-k3s-start", "", 0o755)
    token = "K10abc::server:secret\n"
    for path, text in {
        "etc/systemd/system/k3s.service": "",
        "etc/systemd/system/k3s.service.d/10-picluster.conf": "",
        "run/picluster/k3s.loaded": "of an earlier configuration\n",
        "run/flannel/subnet.env": "FLANNEL_NETWORK=10.42.0.0/16\n",
        "var/lib/picluster/k3s/install.sh": "",
        "var/lib/picluster/k3s/version": f"{version}\n",
        "var/lib/rancher/k3s/server/tls/server-ca.crt": "a certificate\n",
        "var/lib/rancher/k3s/server/token": token,
        "var/lib/rancher/k3s/server/db/etcd/config": f"advertise-client-urls: https://{ADDRESS}:2379",
        "var/lib/rancher/k3s/agent/kubelet.kubeconfig": "",
        "etc/rancher/node/password": "",
        "etc/rancher/k3s/k3s.yaml": "one: line\n" * 90,
        "etc/rancher/k3s/cluster-token": token,
    }.items():
        put(root, path, text, 0o600)
    return root


def follow(root: Path, items: Iterable[Judged]) -> None:
    """Write the files that steps want to be written on the node of a tree."""
    for item in items:
        for action in item.decision.actions if isinstance(item.decision, Change) else ():
            if isinstance(action, WriteFile):
                text = action.content
                put(
                    root, action.path, text if isinstance(text, str) else text.reveal(), action.mode
                )
