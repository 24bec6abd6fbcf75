"""What a node keeps its data on: the root's medium, its health, and the room on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from picluster.engine.probe import Observation, ShellProbe, shown, whole
from picluster.engine.shell import shell
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.steps.doctor.finding import Check, Finding, not_applicable, ok, problem, warning
from picluster.steps.preflight.machine import GOOD_DISK, LEAST_DISK
from picluster.steps.sizes import size_text

FIX_MEDIUM = "put the root of a server on an SSD (NVMe, or USB 3)"


@dataclass(frozen=True, slots=True)
class Lying:
    """What a path lies on: its mount, and the disk below that, empty if it is none of this machine.

    `bus` and `card` (`SD` or `MMC`) tell of what kind that is, empty if they do not; its flushes
    since boot took so many milliseconds, both 0 where the kernel does not tell.
    """

    at: str
    kind: str
    source: str
    options: frozenset[str]
    disk: str
    bus: str
    card: str
    flushes: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Disks:
    """What the root, the logs and K3s's data lie on."""

    root: Lying | None = None
    logs: Lying | None = None
    data: Lying | None = None


def _disks(seen: Observation) -> Disks:
    lying = {}
    for line in seen.every("lies"):
        words = ["" if word == "-" else word for word in line.split(" ")]
        if len(words) != 10:  # noqa: PLR2004 - as many as the script prints
            raise Unreadable(f"`lies` is not ten words: {shown(line)}")
        path, at, kind, source, options, disk, bus, card, *counts = words
        flushes, took = (whole(each, "lies") for each in counts)
        given = frozenset(options.split(","))
        lying[path] = Lying(at, kind, source, given, disk, bus, card, flushes, took)
    return Disks(lying.get("root"), lying.get("logs"), lying.get("data"))


DISKS = ShellProbe("disks", shell(__package__, "disks"), _disks)


def _judge_medium(look: Look, *, is_server: bool, is_ha: bool) -> Finding:
    """etcd waits for every write to reach the medium; containerd cannot stack on NFS."""
    root = look.read(DISKS).root
    if root is None:
        return not_applicable("the kernel does not tell how / is mounted")
    if root.kind.startswith("nfs"):
        return _over_the_network(root.source, is_server=is_server)
    if root.card == "SD" and is_server:
        return warning(
            f"/ is on the SD card {root.disk}",
            "etcd writes all the time: cards are too slow for it and wear out, and a slow one "
            "loses its votes"
            if is_ha
            else "a server's writes wear cards out",
            FIX_MEDIUM,
        )
    return ok(", ".join(filter(None, (root.disk or root.source, root.bus))))


def _over_the_network(source: str, *, is_server: bool) -> Finding:
    if is_server:
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


def root_medium(*, is_server: bool, is_ha: bool) -> Check:
    """The root file system lies on something that bears what the node's role writes."""
    judge = partial(_judge_medium, is_server=is_server, is_ha=is_ha)
    return Check("root-medium", "a root that bears its role's writes", DISKS, judge)


_ERRORS = ShellProbe(
    "disk-health", shell(__package__, "disk_errors"), lambda seen: seen.every("error")
)


def _judge_health(look: Look) -> Finding:
    """A root that became read-only is the end; errors announce it."""
    errors, disks = look.read(_ERRORS), look.find(DISKS)
    if disks is None or disks.root is None:
        return not_applicable("the kernel does not tell how / is mounted")
    fix = "save what is on it, and replace the card or disk; check the cable of a USB disk"
    evidence = "; ".join(errors)
    if "ro" in disks.root.options:
        return problem(
            evidence or "/ is mounted read-only", "nothing can be written: K3s stops", fix
        )
    if errors:
        return problem(evidence, "the card or disk fails, or loses power", fix)
    return ok("writable, and the kernel tells of no errors")


DISK_HEALTH = Check("disk-health", "disks without errors", _ERRORS, _judge_health)

# K3s has the kubelet evict pods below 5 % (its docs for `--kubelet-arg=eviction-hard`); images are
# collected when 85 % are used. https://kubernetes.io/docs/concepts/architecture/garbage-collection/
_EVICTS_PERCENT, _SCARCE_PERCENT = 5, 15
_LEAST_FOR_A_KERNEL = 40_000_000
_BOOT = ("/boot", "/boot/firmware")


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system: its size and its free bytes, its inodes and those that are free."""

    mount: str
    size: int
    free: int
    inodes: int
    inodes_free: int


def _rooms(seen: Observation) -> tuple[FileSystem, ...]:
    systems = {}
    for line in seen.lines[1:]:
        mount, *numbers = line.rsplit(None, 4) or [""]
        if len(numbers) != 4:  # noqa: PLR2004 - as many as are asked for
            raise Unreadable(f"`df` did not print four numbers: {shown(line)}")
        if "-" not in numbers:  # what is of no file system
            systems[mount] = FileSystem(mount, *(whole(each, "df") for each in numbers))
    return tuple(systems.values())


_ROOMS = ShellProbe(
    "room",
    "df -B1 --output=target,size,avail,itotal,iavail / /var/lib /var/lib/rancher /var/log /boot "
    "/boot/firmware 2>/dev/null; true",
    _rooms,
)


def _judge_room(look: Look) -> Finding:
    """The fullest file system decides."""
    found = [_room(each) for each in look.read(_ROOMS)]
    if not found:
        return not_applicable("df does not tell")
    order = ("problem", "warning", "ok")
    return min(found, key=lambda finding: order.index(finding.light))


def _room(seen: FileSystem) -> Finding:
    mount, size, free = seen.mount, seen.size, seen.free
    told = f"{size_text(free)} of {size_text(size)} free in {mount}"
    fix = f"`du -xhd1 {mount}` shows what fills it; `apt-get clean`, or a larger disk"
    if mount in _BOOT:
        if free < _LEAST_FOR_A_KERNEL:
            return warning(told, "the next update of the kernel will fail half-way", fix)
        return ok(told)
    if seen.inodes and seen.inodes_free * 100 < seen.inodes * _EVICTS_PERCENT:
        many = f"{seen.inodes_free} of {seen.inodes} inodes free in {mount}"
        return problem(many, "no more files can be made, though there is room", fix)
    if free < LEAST_DISK or free * 100 < size * _EVICTS_PERCENT:
        return problem(told, "pods are evicted, and images cannot be pulled", fix)
    if free < GOOD_DISK or free * 100 < size * _SCARCE_PERCENT:
        return warning(told, "soon images are thrown away, and then pods", fix)
    return ok(told)


ROOM = Check("room", "room on its disks", _ROOMS, _judge_room)

_LITTLE_LOG_ROOM = 512_000_000
_LOGS = "/var/log"


def _judge_logs(look: Look) -> Finding:
    """Only something small is a trap, as log2ram makes it in memory."""
    logs, rooms = look.read(DISKS).logs, look.find(_ROOMS) or ()
    if logs is None or logs.at != _LOGS:
        return ok(f"{_LOGS} is on the root's disk")
    room = {each.mount: each.size for each in rooms}.get(_LOGS)
    if room is None:
        return not_applicable("df does not tell")
    told = f"{_LOGS} is {logs.kind} of {size_text(room)}"
    if room >= _LITTLE_LOG_ROOM:
        return ok(told)
    return warning(
        told,
        "the logs of all pods go to /var/log/pods, and fill it (log2ram makes it small)",
        "turn log2ram off, or give it more room; `Storage=volatile` in journald.conf spares "
        "a card as well",
    )


LOGS = Check("logs", "room for the logs of pods", DISKS, _judge_logs)

CHECKS = (DISK_HEALTH, ROOM, LOGS)
