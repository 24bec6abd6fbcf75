"""What the lab's containers cannot show, on an emulated arm64 Debian with its own kernel.

A story: each chapter finds the machine as the one before it left it.
"""

from __future__ import annotations

from typing import Any

import pytest

from picluster.lab.firmware import memory_cgroup_enabled
from picluster.steps.host.services import TIMESYNCD
from tests.lab.bench import Result
from tests.vm.conftest import Desk

CONTROLLERS = "/sys/fs/cgroup/cgroup.controllers"
MODULES = ("overlay", "br_netfilter", "vxlan", "iscsi_tcp")
NEVER_SET = "1970-01-01T00:00:10"
KEPT = "/var/lib/systemd/timesync/clock"


def changed(result: Result) -> set[str]:
    finished = [event for event in result.events if event["event"] == "StepFinished"]
    return {str(event["step"]) for event in finished if event["outcome"] == "changed"}


def planned(desk: Desk, *options: str, expect: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = desk.picluster("plan", "--json", *options, expect=expect).document
    assert document["missing"] == []
    return document


def lit(desk: Desk, light: str) -> dict[str, str]:
    """Return what the doctor says under a light, by check."""
    document: dict[str, Any] = desk.picluster("doctor", "--json", expect=None).document
    (patient,) = document["nodes"]
    assert patient["reached"], patient["error"]
    return {row["check"]: row["evidence"] for row in patient["findings"] if row["light"] == light}


def test_a_plan_by_password_tells_what_this_debian_lacks(desk: Desk) -> None:
    plan = planned(desk, "--until", "prepare")
    assert plan["refused"] == []
    changes = {change["step"]: change for change in plan["changes"]}
    assert {"key-installed", "sudo-without-password", "packages", "swap"} <= changes.keys()
    assert changes["swap"]["reason"] == (
        "/var/swap, /dev/zram0 is on; fstab turns it on at boot; zram-generator turns it on at boot"
    )
    boot = changes["memory-cgroup"]
    assert boot["risk"] == "reboot"
    (added,) = [line for line in boot["diff"] if line.startswith("+") and "console=" in line]
    assert added.endswith(" cgroup_enable=memory cgroup_memory=1")


def test_bootstrap_lets_the_key_in_by_a_password_that_sudo_wants_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = desk.picluster("phase", "bootstrap", "--json")
    assert changed(first) == {"own-key-id_new", "key-installed", "sudo-without-password"}
    monkeypatch.delenv("PI_PASSWORD")
    assert changed(desk.picluster("phase", "bootstrap", "--json")) == set()
    assert desk.sh("uname -m; dpkg --print-architecture; id -u").split() == [
        "aarch64",
        "arm64",
        "0",
    ]
    assert "memory" not in desk.sh(f"cat {CONTROLLERS}").split()


def test_the_doctor_finds_what_the_machine_lacks(desk: Desk) -> None:
    assert {"memory-cgroup", "swap", "kernel-modules"} <= lit(desk, "warning").keys()


def test_prepare_reboots_once_and_the_kernel_does_as_its_command_line_says(desk: Desk) -> None:
    assert not memory_cgroup_enabled(desk.machine.boots[-1])
    done = desk.picluster("phase", "prepare", "--json")
    assert {"packages", "swap", "memory-cgroup", "hostname"} <= changed(done)
    assert len(desk.machine.boots) == 2
    assert memory_cgroup_enabled(desk.machine.boots[-1])
    told = desk.sh("cat /proc/cmdline")
    assert "cgroup_enable=memory cgroup_memory=1" in told
    assert "memory" in desk.sh(f"cat {CONTROLLERS}").split()
    assert desk.sh("findmnt -no FSTYPE /boot/firmware").strip() == "vfat"


def test_prepare_finds_nothing_more_to_do(desk: Desk) -> None:
    done = desk.picluster("phase", "prepare", "--json")
    assert changed(done) == set()
    assert planned(desk, "--until", "prepare")["changes"] == []


def test_what_was_prepared_outlives_a_power_cut(desk: Desk) -> None:
    desk.machine.cut_power()
    desk.machine.power_on()
    assert desk.sh("cat /proc/swaps").count("\n") == 1
    there = desk.sh("lsmod").split()
    assert [module for module in MODULES if module not in there] == []
    assert desk.sh("sysctl -n net.bridge.bridge-nf-call-iptables net.ipv4.ip_forward").split() == [
        "1", "1",
    ]  # fmt: skip
    assert desk.sh("hostname").strip() == "vm1"
    assert planned(desk, "--until", "prepare")["changes"] == []


def test_the_doctor_finds_no_problem_on_what_was_prepared(desk: Desk) -> None:
    assert lit(desk, "problem") == {}


def test_a_clock_that_was_never_set_is_named_before_anything_starts(desk: Desk) -> None:
    """systemd starts it from when it was last kept; here, before a year in a drawer."""
    desk.sh(f"systemctl stop {TIMESYNCD}; touch -d '1 year ago' {KEPT}; sync")
    desk.machine.cut_power()
    desk.machine.power_on(clock=NEVER_SET)
    (refusal,) = planned(desk, expect=5)["refused"]
    assert refusal["step"] == "clock"
    desk.machine.cut_power()
    desk.machine.power_on()
    assert planned(desk, "--until", "bootstrap")["refused"] == []


def test_a_cluster_of_the_stand_in_comes_up_on_arm64(desk: Desk) -> None:
    desk.picluster("up")
    assert desk.picluster("validate", "--json", expect=None).document["ok"]
    assert planned(desk)["changes"] == []
