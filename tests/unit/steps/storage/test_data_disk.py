"""Disks for Longhorn's data: what is refused, what is formatted, what is merely mounted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from picluster.engine.step import Blocked, Change, Decision, Observation, Risk, Run, Satisfied
from picluster.engine.survey import Look
from picluster.model.storage import Disk
from picluster.steps.storage.disks import FSTAB_MARK, LABEL, DataDisk, read_disk

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
) -> Observation:
    """What the probe prints."""
    lines = []
    if found is not None:
        lines.append("device=/dev/sda")
        lines.append("disk=" + json.dumps({"blockdevices": [found]}))
        lines.append("above=" + json.dumps({"blockdevices": above or [{"path": "/dev/sda"}]}))
    lines += [f"{key}={value}" for key, value in facts.items()]
    return Observation(out="\n".join(lines))


def decided(seen: Observation, *, may_format: bool = False, minimum: int = 10**10) -> Decision:
    step = DataDisk("pi1", Disk(device=DEVICE, minimum_size="10G"), PATH, may_format)
    if minimum != 10**10:
        step = DataDisk("pi1", Disk(device=DEVICE, minimum_size="1T"), PATH, may_format)
    return step.decide(Look("pi1", step.name, {"pi1": {step.name: seen}}))


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
def test_a_disk_that_could_lose_data_is_refused(seen: Observation, reason: str) -> None:
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
def test_permission_to_format_overrules_no_other_refusal(seen: Observation) -> None:
    assert isinstance(decided(seen, may_format=True), Blocked)


def test_data_is_deleted_only_when_the_disk_was_named_for_it() -> None:
    holding = printed(disk(), probed="TYPE=xfs LABEL=photos")
    refused = decided(holding)
    assert isinstance(refused, Blocked)
    assert f"--format-disk pi1:{DEVICE}" in refused.fix
    change = decided(holding, may_format=True)
    assert isinstance(change, Change)
    assert change.risk is Risk.DATA_LOSS
    assert "wipefs" in script(change)


def test_a_blank_disk_is_formatted_without_ado() -> None:
    change = decided(printed(disk()))
    assert isinstance(change, Change)
    assert change.risk is Risk.NONE
    assert "mkfs.ext4" in script(change)
    assert "wipefs" not in script(change)


def test_our_own_file_system_is_mounted_and_never_formatted_again() -> None:
    change = decided(printed(disk(), probed=OURS), may_format=True)
    assert isinstance(change, Change)
    assert "mkfs" not in script(change)
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


def test_what_cannot_be_read_is_no_disk() -> None:
    assert read_disk({"device": "/dev/sda", "disk": "{", "above": "{}"}).device == ""


def script(change: Change) -> str:
    (action,) = change.actions
    assert isinstance(action, Run)
    assert FSTAB_MARK in action.script
    return action.script
