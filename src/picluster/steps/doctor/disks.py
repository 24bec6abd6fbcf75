"""What a node keeps its data on: the root's medium, its health, and the room on it."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import whole
from picluster.engine.step import Script
from picluster.engine.survey import Look
from picluster.steps.doctor.finding import Finding, not_applicable, ok, problem, values, warning
from picluster.steps.host.text import size_text
from picluster.steps.preflight.machine import GOOD_DISK, LEAST_DISK

FIX_MEDIUM = "put the root of a server on an SSD (NVMe, or USB 3)"
# Sets $disk to the disk below the device $source, whatever is stacked on it, or ends.
FIND_DISK = (
    'disk=$(lsblk -sndo NAME,TYPE "$source" 2>/dev/null '
    "| awk '$2 == \"disk\" {print $1}' | head -n 1)\n"
    '[ -n "$disk" ] || exit 0\n'
)


@dataclass(frozen=True, slots=True)
class RootMedium:
    """The root file system lies on something that bears what the node's role writes."""

    is_server: bool
    is_ha: bool
    name: str = "root-medium"
    title: str = "a root that bears its role's writes"

    def probe(self) -> Script:
        """Find the device below the root, whatever is stacked on it, and the kind of a card."""
        return Script(
            'source=$(findmnt -no SOURCE / | sed "s/\\[.*//")\n'
            'echo "source=$source"\n'
            'echo "kind=$(findmnt -no FSTYPE /)"\n'
            f"{FIND_DISK}"
            'echo "disk=$disk"\n'
            'echo "bus=$(lsblk -dno TRAN "/dev/$disk" 2>/dev/null)"\n'
            'echo "card=$(cat "/sys/block/$disk/device/type" 2>/dev/null)"'
        )

    def judge(self, look: Look) -> Finding:
        """etcd waits for every write to reach the medium; containerd cannot stack on NFS."""
        facts = look.own.facts
        source, disk = facts.get("source", "?"), facts.get("disk", "")
        if facts.get("kind", "").startswith("nfs"):
            return self._over_the_network(source)
        if disk.startswith("mmcblk") and facts.get("card") == "SD" and self.is_server:
            if self.is_ha:
                return warning(
                    f"/ is on the SD card {disk}",
                    "etcd writes all the time: cards are too slow for it and wear out, and a slow "
                    "one loses its votes",
                    FIX_MEDIUM,
                )
            return warning(
                f"/ is on the SD card {disk}", "a server's writes wear cards out", FIX_MEDIUM
            )
        bus = f", {facts['bus']}" if facts.get("bus") else ""
        return ok(f"{disk}{bus}" if disk else source)

    def _over_the_network(self, source: str) -> Finding:
        if self.is_server:
            return problem(
                f"/ comes over NFS from {source}",
                "etcd must not be on NFS, and containerd's usual snapshots do not work on it",
                "make it an agent, or give it a disk for /var/lib/rancher",
            )
        return warning(
            f"/ comes over NFS from {source}",
            "containerd's usual snapshots do not work on NFS",
            "give it a disk for /var/lib/rancher, or set `snapshotter: native` in its options",
        )


@dataclass(frozen=True, slots=True)
class RootHealth:
    """The root can be written, and the kernel reports no errors of any disk."""

    name: str = "disk-health"
    title: str = "disks without errors"

    def probe(self) -> Script:
        """Look at the mount and at the kernel's log; a container sees another machine's."""
        return Script(
            'echo "options=$(findmnt -no OPTIONS /)"\n'
            "systemd-detect-virt -qc && exit 0\n"
            "dmesg --level emerg,alert,crit,err,warn 2>/dev/null "
            "| grep -E 'EXT4-fs error|I/O error|Remounting filesystem read-only|"
            "mmc[0-9]+: .*(error|timeout|timed out)|nvme.*(timeout|resetting|I/O)' "
            "| tail -n 3 | cut -c1-160 | sed 's/^/error=/'; true"
        )

    def judge(self, look: Look) -> Finding:
        """A root that became read-only is the end; errors announce it."""
        options = look.own.facts.get("options", "")
        if not options:
            return not_applicable("findmnt does not tell how / is mounted")
        fix = "save what is on it, and replace the card or disk; check the cable of a USB disk"
        errors = values(look, "error")
        evidence = "; ".join(errors)
        if "ro" in options.split(","):
            return problem(
                evidence or "/ is mounted read-only", "nothing can be written: K3s stops", fix
            )
        if errors:
            return problem(evidence, "the card or disk fails, or loses power", fix)
        return ok("writable, and the kernel tells of no errors")


# K3s has the kubelet evict pods below 5 % (its docs for `--kubelet-arg=eviction-hard`); images are
# collected when 85 % are used. https://kubernetes.io/docs/concepts/architecture/garbage-collection/
_EVICTS_PERCENT, _SCARCE_PERCENT = 5, 15
_LEAST_FOR_A_KERNEL = 40_000_000
_BOOT = ("/boot", "/boot/firmware")


@dataclass(frozen=True, slots=True)
class Room:
    """There are free bytes and free inodes wherever K3s and the system write."""

    name: str = "room"
    title: str = "room on its disks"

    def probe(self) -> Script:
        """Print size, free bytes, inodes and free inodes of each file system that matters."""
        return Script(
            "for at in / /var/lib /var/lib/rancher /var/log /boot /boot/firmware; do\n"
            '  [ -d "$at" ] || continue\n'
            '  echo "at=$at $(df -PB1 "$at" | awk \'NR == 2 {print $6, $2, $4}\') '
            '$(df -Pi "$at" | awk \'NR == 2 {print $2, $4}\')"\n'
            "done"
        )

    def judge(self, look: Look) -> Finding:
        """The fullest file system decides."""
        found: list[Finding] = []
        mounts: dict[str, tuple[str, ...]] = {}
        for row in values(look, "at"):
            at, _, numbers = row.partition(" ")
            mount, *rest = numbers.split() or [at]
            mounts.setdefault(mount, (mount, *rest))
        for mount, *rest in mounts.values():
            if len(rest) == 4 and "-" not in rest:  # noqa: PLR2004  # of no file system: `-`
                found.append(_room(mount, *(whole(number, "at") for number in rest)))
        if not found:
            return not_applicable("df does not tell")
        order = ("problem", "warning", "ok")
        return min(found, key=lambda finding: order.index(finding.light))


def _room(mount: str, size: int, free: int, inodes: int, inodes_free: int) -> Finding:
    shown = f"{size_text(free)} of {size_text(size)} free in {mount}"
    fix = f"`du -xhd1 {mount}` shows what fills it; `apt-get clean`, or a larger disk"
    if mount in _BOOT:
        if free < _LEAST_FOR_A_KERNEL:
            return warning(shown, "the next update of the kernel will fail half-way", fix)
        return ok(shown)
    if inodes and inodes_free * 100 < inodes * _EVICTS_PERCENT:
        many = f"{inodes_free} of {inodes} inodes free in {mount}"
        return problem(many, "no more files can be made, though there is room", fix)
    if free < LEAST_DISK or free * 100 < size * _EVICTS_PERCENT:
        return problem(shown, "pods are evicted, and images cannot be pulled", fix)
    if free < GOOD_DISK or free * 100 < size * _SCARCE_PERCENT:
        return warning(shown, "soon images are thrown away, and then pods", fix)
    return ok(shown)


_LITTLE_LOG_ROOM = 512_000_000


@dataclass(frozen=True, slots=True)
class LogsOnDisk:
    """/var/log is not a small disk in memory, where the logs of all pods go too."""

    name: str = "logs"
    title: str = "room for the logs of pods"

    def probe(self) -> Script:
        """See whether /var/log is a mount of its own, as log2ram makes it."""
        return Script(
            "mountpoint -q /var/log || exit 0\n"
            'echo "kind=$(findmnt -no FSTYPE /var/log)"\n'
            "echo \"size=$(df -PB1 /var/log | awk 'NR == 2 {print $2}')\""
        )

    def judge(self, look: Look) -> Finding:
        """Only something small is a trap."""
        facts = look.own.facts
        size = facts.get("size", "")
        if not size:
            return ok("/var/log is on the root's disk")
        room = whole(size, "size")
        shown = f"/var/log is {facts.get('kind')} of {size_text(room)}"
        if room >= _LITTLE_LOG_ROOM:
            return ok(shown)
        return warning(
            shown,
            "the logs of all pods go to /var/log/pods, and fill it (log2ram makes it small)",
            "turn log2ram off, or give it more room; `Storage=volatile` in journald.conf spares "
            "a card as well",
        )
