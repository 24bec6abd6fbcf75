"""A disk holds Longhorn's data: the right one, formatted only when that was said, and mounted.

The disk that the system runs from is never touched, nor one with anything on it that was not named
on the command line. A file system of ours is known by its label, so that a second run finds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Change, Decision, Diff, Risk, Run, Satisfied
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.model.storage import Disk

LABEL = "picluster-data"
"""The label of a file system that picluster made; ext4 has room for 16 characters."""
FSTAB_MARK = "# picluster: the data of Longhorn"

_OPTIONS = "noatime,nofail"
_MKFS_SECONDS = 1800.0
_SYSTEM_MOUNTS = ("/", "/boot", "/boot/firmware", "/usr", "/var", "[SWAP]")


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the disk showed; `device` is empty if there is none of that name."""

    device: str = ""
    size: int = 0
    read_only: bool = False
    fstype: str = ""
    label: str = ""
    uuid: str = ""
    parts: tuple[str, ...] = ()
    """Partitions or other devices on it."""
    mounts: tuple[str, ...] = ()
    """Where it, or anything on it, is mounted."""
    backs: str = ""
    """The system's mount point that it holds; empty if none."""
    mounted: str = ""
    """What is mounted at the data path now: a device's UUID, or empty."""
    content: bool = False
    """Whether the data path has files in it that are not on the disk."""
    fstab: str = ""


@dataclass(frozen=True, slots=True)
class DataDisk:
    """The disk is formatted, and mounted at the data path now and at every start.

    `may_format` is whether the user named this disk of this node for it.
    """

    node: str
    disk: Disk
    path: str
    may_format: bool
    name: str = "data-disk"

    @property
    def title(self) -> str:
        return f"{self.disk.device} holds {self.path}"

    def probe(self) -> ShellProbe[Found]:
        script = shell(
            __package__, "look_at_disk", DEVICE=self.disk.device, DATA=self.path, MARK=FSTAB_MARK
        )
        return ShellProbe(self.name, script, read_disk)

    def decide(self, look: Look) -> Decision:
        found = look.read(self.probe())
        refusal = next(self._refusals(found), None)
        if refusal is not None:
            return refusal
        if found.label != LABEL or found.fstype != "ext4":
            return self._format(found)
        line = self._line(found.uuid)
        if found.mounted == found.uuid and found.fstab == line:
            return Satisfied()
        return Change(
            f"mount {self.disk.device} at {self.path}",
            (self.mounting(found.uuid),),
            reason="it is not mounted" if found.mounted != found.uuid else "/etc/fstab differs",
            diff=Diff(found.fstab, line),
        )

    def _refusals(self, found: Found) -> Iterator[Blocked]:
        device = self.disk.device
        if not found.device:
            fix = "plug it in, or name another one: `ls -l /dev/disk/by-id` on the node"
            yield Blocked(f"there is no {device} on {self.node}", fix)
            return
        if found.backs:
            yield Blocked(
                f"{device} is {found.device}, which the system runs from ({found.backs} is on it)",
                "name another disk; without `disks`, the data is kept on the system's own",
            )
        if found.read_only:
            yield Blocked(f"{device} is read-only", "look for a lock switch, or a worn-out disk")
        if found.size < self.disk.minimum_size:
            yield Blocked(
                f"{device} has {found.size / 1e9:.1f} GB, less than its minimum_size",
                "it may be another disk than meant; correct disks.minimum_size if not",
            )
        if found.content:
            yield Blocked(
                f"{self.path} has files in it that are not on {device}",
                "they would be hidden by the mount: move them to the disk or away",
            )
        elsewhere = [mount for mount in found.mounts if mount != self.path]
        if elsewhere:
            yield Blocked(
                f"{device} is mounted at {', '.join(elsewhere)}",
                "unmount it and take it out of /etc/fstab, if it is to hold Longhorn's data",
            )
        ours = found.label == LABEL and found.fstype == "ext4"
        holds = found.fstype or (f"partitions: {', '.join(found.parts)}" if found.parts else "")
        if holds and not ours and not self.may_format:
            yield Blocked(
                f"{device} holds data ({holds}{f', called {found.label}' if found.label else ''})",
                "to have everything on it DELETED, run again with "
                f"--format-disk {self.node}:{device}",
            )

    def _format(self, found: Found) -> Change:
        blank = not found.fstype and not found.parts
        what = "it is blank" if blank else f"--format-disk; it holds {found.fstype or 'partitions'}"
        return Change(
            f"format {self.disk.device} ({found.size / 1e9:.1f} GB) and mount it at {self.path}",
            (self.formatting(blank=blank),),
            reason=what,
            risk=Risk.NONE if blank else Risk.DATA_LOSS,
            retry_safe=False,
        )

    def formatting(self, *, blank: bool) -> Run:
        """Return what makes a file system on the disk, over anything on it, and mounts it."""
        script = shell(
            __package__,
            "format_disk",
            "mount_disk",
            DEVICE=self.disk.device,
            BLANK=blank,
            LABEL=LABEL,
            **self._mount,
        )
        return Run(script, timeout=_MKFS_SECONDS)

    def mounting(self, uuid: str) -> Run:
        """Return what has the file system in fstab once, and mounted."""
        return Run(shell(__package__, "mount_disk", UUID=uuid, **self._mount))

    @property
    def _mount(self) -> dict[str, str]:
        return {"DATA": self.path, "MARK": FSTAB_MARK, "OPTIONS": _OPTIONS}

    def _line(self, uuid: str) -> str:
        return f"UUID={uuid} {self.path} ext4 {_OPTIONS} 0 2"


def read_disk(seen: Observation) -> Found:
    """Read what the look printed. Raises `Unreadable` for what lsblk never prints."""
    mounted, content, fstab = seen.text("mounted", ""), seen.flag("content"), seen.text("line", "")
    if not seen.has("device"):
        return Found(mounted=mounted, content=content, fstab=fstab)
    try:
        disk = json.loads(seen.text("disk"))["blockdevices"][0]
        above = json.loads(seen.text("above"))["blockdevices"]
        mounts = [mount for each in _all(disk) for mount in _mounts(each)]
        system = [mount for each in above for one in _all(each) for mount in _mounts(one)]
        parts = tuple(str(each["name"]) for each in disk.get("children") or ())
        size = int(disk.get("size") or 0)
    except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Unreadable("lsblk did not print the disk as JSON") from None
    probed = dict(word.split("=", 1) for word in seen.text("probed", "").split() if "=" in word)
    return Found(
        device=seen.text("device"),
        size=size,
        read_only=bool(disk.get("ro")),
        fstype=probed.get("TYPE") or str(disk.get("fstype") or probed.get("PTTYPE") or ""),
        label=probed.get("LABEL") or str(disk.get("label") or ""),
        uuid=probed.get("UUID") or str(disk.get("uuid") or ""),
        parts=parts,
        mounts=tuple(mounts),
        backs=next((mount for mount in [*mounts, *system] if mount in _SYSTEM_MOUNTS), ""),
        mounted=mounted,
        content=content,
        fstab=fstab,
    )


def _mounts(device: Mapping[str, Any]) -> list[str]:
    return [str(mount) for mount in device.get("mountpoints") or () if mount]


def _all(device: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield device
    for child in device.get("children") or ():
        yield from _all(child)
