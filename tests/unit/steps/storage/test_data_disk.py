"""Disks for Longhorn's data: what is refused, what is formatted, what is merely mounted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.tool_doubles import run_with
from tests.unit.steps.looking import decide_from

from picluster.engine.step import Blocked, Change, Decision, Observation, Risk, Satisfied
from picluster.errors import Unreadable
from picluster.model.storage import Disk
from picluster.steps.storage.disks import FSTAB_MARK, LABEL, DataDisk, Found, read_disk

DEVICE = "/dev/disk/by-id/usb-Fast_1"
PATH = "/var/lib/longhorn"
UUID = "0d1c7a6e-1111-4222-8333-944455556666"
LINE = f"UUID={UUID} {PATH} ext4 noatime,nofail 0 2"


def disk(**more: Any) -> dict[str, Any]:
    found = {"name": "sda", "path": "/dev/sda", "size": 500 * 10**9, "ro": False}
    return {**found, "mountpoints": [None], **more}


def printed(
    found: dict[str, Any] | None = None,
    above: list[dict[str, Any]] | None = None,
    **facts: str,
) -> Found:
    """What the probe finds."""
    lines = []
    if found is not None:
        lines.append("device=/dev/sda")
        lines.append("disk=" + json.dumps({"blockdevices": [found]}))
        lines.append("above=" + json.dumps({"blockdevices": above or [{"path": "/dev/sda"}]}))
    lines += [f"{key}={value}" for key, value in facts.items()]
    return read_disk(Observation(out="\n".join(lines)))


STEP = DataDisk("pi1", Disk(device=DEVICE, minimum_size="10G"), PATH, False)


def decided(seen: Found, *, may_format: bool = False) -> Decision:
    return decide_from(replace(STEP, may_format=may_format), seen)


OURS = f"TYPE=ext4 LABEL={LABEL} UUID={UUID}"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (printed(), "there is no"),
        (printed(disk(mountpoints=["/"])), "which the system runs from"),
        (
            printed(disk(children=[{"name": "sda2", "mountpoints": ["/boot/firmware"]}])),
            "/boot/firmware is on it",
        ),
        (
            printed(disk(), [{"path": "/dev/sda1", "children": [{"mountpoints": ["/"]}]}]),
            "which the system runs from",
        ),
        (printed(disk(children=[{"name": "sda3", "mountpoints": ["[SWAP]"]}])), "[SWAP]"),
        (printed(disk(ro=True)), "is read-only"),
        (printed(disk(size=5 * 10**9)), "has 5.0 GB, less than"),
        (printed(disk(), content="yes"), "has files in it"),
        (printed(disk(mountpoints=["/media/usb"])), "is mounted at /media/usb"),
        (printed(disk(), probed="TYPE=xfs LABEL=photos"), "holds data (xfs, called photos)"),
        (printed(disk(children=[{"name": "sda1"}])), "holds data (partitions: sda1)"),
        (printed(disk(), probed="PTTYPE=gpt"), "holds data (gpt)"),
    ],
)
def test_a_disk_that_could_lose_data_is_refused(seen: Found, reason: str) -> None:
    decision = decided(seen)
    assert isinstance(decision, Blocked), decision
    assert reason in decision.reason
    assert decision.fix


@pytest.mark.parametrize(
    "seen",
    [
        printed(disk(mountpoints=["/"])),
        printed(disk(size=10**9)),
        printed(disk(mountpoints=["/media/usb"])),
        printed(disk(), content="yes"),
    ],
)
def test_permission_to_format_overrules_no_other_refusal(seen: Found) -> None:
    assert isinstance(decided(seen, may_format=True), Blocked)


def test_data_is_deleted_only_when_the_disk_was_named_for_it() -> None:
    holding = printed(disk(), probed="TYPE=xfs LABEL=photos")
    refused = decided(holding)
    assert isinstance(refused, Blocked)
    assert f"--format-disk pi1:{DEVICE}" in refused.fix
    change = decided(holding, may_format=True)
    assert isinstance(change, Change)
    assert change.risk is Risk.DATA_LOSS
    assert change.actions == (STEP.formatting(blank=False),)
    assert not change.retry_safe


def test_a_blank_disk_is_formatted_without_ado() -> None:
    change = decided(printed(disk()))
    assert isinstance(change, Change)
    assert change.risk is Risk.NONE
    assert change.actions == (STEP.formatting(blank=True),)


def test_our_own_file_system_is_mounted_and_never_formatted_again() -> None:
    change = decided(printed(disk(), probed=OURS), may_format=True)
    assert isinstance(change, Change)
    assert change.actions == (STEP.mounting(UUID),)
    assert change.diff is not None
    assert change.diff.after == LINE


def test_a_disk_that_is_mounted_and_in_fstab_is_left_alone() -> None:
    seen = printed(disk(mountpoints=[PATH]), probed=OURS, mounted=UUID, line=LINE)
    assert decided(seen, may_format=True) == Satisfied()


def test_a_line_that_somebody_changed_is_drift() -> None:
    seen = printed(disk(mountpoints=[PATH]), probed=OURS, mounted=UUID, line=LINE + "0")
    change = decided(seen)
    assert isinstance(change, Change)
    assert change.reason == "/etc/fstab differs"


@pytest.mark.parametrize(
    "text",
    ["{", "{}", "5", '{"blockdevices": [5]}', "[" * 5000, '{"blockdevices": [{"size": 1e999}]}'],
)
def test_what_cannot_be_read_is_no_disk(text: str) -> None:
    with pytest.raises(Unreadable):
        read_disk(Observation(out=f'device=/dev/sda\ndisk={text}\nabove={{"blockdevices": []}}'))


def test_a_script_wipes_only_what_is_not_blank_and_mounts_what_it_made(tmp_path: Path) -> None:
    """Run on this machine with doubles of what touches disks, and /etc/fstab elsewhere."""
    for blank in (True, False):
        calls, etc = tmp_path / f"calls-{blank}", tmp_path / f"etc-{blank}"
        etc.mkdir()
        (etc / "fstab").write_text(f"proc /proc proc\n{FSTAB_MARK}\nUUID=old /x ext4 a 0 2\n")
        noted = {name: f'echo "{name} $*" >>{calls}' for name in ("wipefs", "mkfs.ext4", "mount")}
        script = STEP.formatting(blank=blank).script.replace("/etc/", f"{etc}/")
        done = run_with(
            tmp_path / "tools",
            script.replace(PATH, str(tmp_path / "data")),
            **noted,
            blkid=f"echo {UUID}",
            udevadm="",
            systemctl="",
            mountpoint=f"grep -q '^mount ' {calls}",
        )
        assert done.returncode == 0, done.stderr
        ran = [line.split()[0] for line in calls.read_text().splitlines()]
        assert ran == (["mkfs.ext4", "mount"] if blank else ["wipefs", "mkfs.ext4", "mount"])
        assert (etc / "fstab").read_text().splitlines() == [
            "proc /proc proc",
            FSTAB_MARK,
            LINE.replace(PATH, str(tmp_path / "data")),
        ]
