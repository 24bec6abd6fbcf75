"""A test double for a Raspberry Pi 5 that runs K3s from an SSD: what only the doctor asks, too.

The kernel's files that no test can lay over its own are below /run/kernel instead: `there` has a
script look there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from picluster.steps.k3s.paths import DATA_DIR
from tests.doubles.node_tree import KERNEL, node_tree, put

_ELSEWHERE = (
    "/proc/self/mountinfo",
    "/proc/self/smaps",
    "/proc/net",
    "/proc/device-tree",
)
SSD = "sys/devices/pci/nvme/nvme0/nvme0n1"
FLUSHES = "  " + " ".join(str(field) for field in (*range(1, 16), 4000, 8000)) + "\n"
"""What a disk's `stat` has: so many flushes took so many milliseconds."""

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0100000A	0003	0	0	600	00000000	0	0	0
eth0	00000000	0100000A	0003	0	0	100	00000000	0	0	0
eth0	0000000A	00000000	0001	0	0	100	00FFFFFF	0	0	0
"""
MOUNTS = """\
21 28 0:20 / /proc rw,relatime shared:12 - proc proc rw
28 1 259:2 / / rw,noatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
99 28 259:1 / /boot/firmware rw,relatime shared:50 - vfat /dev/nvme0n1p1 rw
"""
VCGENCMD = """#!/bin/sh
case $1 in
  get_throttled) echo throttled=0x0 ;;
  bootloader_version) printf '2024/09/23 14:02:56\\nversion 26826259 (release)\\n' ;;
  bootloader_config) printf '[all]\\nBOOT_UART=1\\nBOOT_ORDER=0xf461\\n' ;;
esac
"""
CURL = """#!/bin/sh
case "$*" in *" --noproxy * http://127.0.0.1:2381/metrics") ;; *) exit 7 ;; esac
echo '# TYPE etcd_disk_wal_fsync_duration_seconds histogram'
echo 'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.008"} 1.2e+06'
echo 'etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 1.2e+06'
echo 'etcd_disk_wal_fsync_duration_seconds_sum 24000'
"""
DF = """#!/bin/sh
case "$*" in
  *--output=target,size,avail,itotal,iavail*)
    echo 'Mounted on  1B-blocks  Avail  Inodes  IFree'
    echo '/  32000000000  29000000000  2000000  1900000'
    echo '/  32000000000  29000000000  2000000  1900000'
    echo '/boot/firmware  512000000  400000000  0  0' ;;
  *--output=size,avail*) echo heading Avail; echo 32000000 29000000 ;;
  *--output=avail*) echo Avail; echo 29000000000 ;;
  *) echo heading; for each; do echo sda1 9 9 30000000000 1% $each; done ;;
esac
"""
_PROGRAMS = {
    "vcgencmd": VCGENCMD,
    "curl": CURL,
    "df": DF,
    "dmesg": "#!/bin/sh\necho '[    3.1] nvme nvme0: 4/0/0 default/read/poll queues'\n",
    "iptables": "#!/bin/sh\necho 'iptables v1.8.11 (nf_tables)'\n",
    "findmnt": "#!/bin/sh\necho shared\n",
    "mount.nfs4": "#!/bin/sh\n",
}
_FILES = {
    "run/kernel/mountinfo": MOUNTS,
    "run/kernel/smaps": "55a0-55b0 r--p 0 b3:02 1 /bin/dash\nSize: 64 kB\nKernelPageSize: 4 kB\n",
    "run/kernel/net/route": ROUTES,
    "run/kernel/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "run/kernel/device-tree/chosen/power/max_current": "\0\0\x13\x88",
    "run/kernel/device-tree/chosen/power/usb_max_current_enable": "\0\0\0\0",
    "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
    "sys/class/thermal/thermal_zone1/temp": "52582\n",
    "sys/class/net/eth0/speed": "1000\n",
    f"{SSD}/nvme0n1p2/partition": "2\n",
    f"{SSD}/stat": FLUSHES,
    f"{SSD}/device/model": "SSD\n",
    f"usr/lib/modules/{KERNEL}/modules.dep": "",
    "boot/firmware/cmdline.txt": "console=tty1 cgroup_enable=memory\n",
    "etc/resolv.conf": "# made by DHCP\nsearch lan\nnameserver 10.0.0.1\nnameserver 10.0.0.2",
    "etc/systemd/system/k3s.service": "[Service]\n",
    "etc/rancher/node/password": "0123456789abcdef0123456789abcdef",
    f"{DATA_DIR[1:]}/server/db/etcd/name": "",
}


def pi_tree(root: Path, changed: Mapping[str, str] = {}) -> Path:
    """Make the tree of a Pi that is well, but for what is `changed`, and return it."""
    node_tree(root)
    programs = {f"usr/local/sbin/{name}": text for name, text in _PROGRAMS.items()}
    for path, text in {**programs, **_FILES, **changed}.items():
        put(root, path, text, 0o755 if "sbin" in path else 0o644)
        (root / path).write_bytes(text.encode("latin-1"))
    link(root, "sys/dev/block/259:2", f"{SSD}/nvme0n1p2")
    return root


def link(root: Path, name: str, to: str) -> None:
    """Make a link of the kernel's, relative as its own are."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(Path("../" * (name.count("/"))) / to)


def there(script: str) -> str:
    """Return the script, looking for the kernel's files where the tree has them."""
    for path in _ELSEWHERE:
        script = script.replace(path, f"/run/kernel/{path.rpartition('/')[2]}")
    return script
