"""The memory cgroup: in force, or one line in the right file and one reboot."""

from __future__ import annotations

import base64

import pytest
from tests.unit.steps import looking

from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Reboot,
    Risk,
    Satisfied,
    WriteFile,
)
from picluster.steps.host.boot import MemoryCgroup, with_memory_cgroup

FILE = "/boot/firmware/cmdline.txt"
ON = "root=/dev/sda2 rootwait cgroup_enable=memory cgroup_memory=1\n"


def decide(text: str | None = None, **facts: str) -> Decision:
    if text is not None:
        facts = {"file": FILE, "text": base64.b64encode(text.encode()).decode()} | facts
    lines = (f"{key}={value}" for key, value in ({"memory": "no"} | facts).items())
    return looking.decide(MemoryCgroup(300), *lines)


@pytest.mark.parametrize(
    "before",
    [
        "root=/dev/sda2 rootwait\n",
        "root=/dev/sda2 rootwait",
        " root=/dev/sda2  cgroup_disable=memory rootwait\n\n",
        "root=/dev/sda2 rootwait cgroup_memory=1 cgroup_memory=1\n",
        "root=/dev/sda2 rootwait\ncgroup_enable=memory cgroup_memory=1\n",
        ON,
    ],
)
def test_the_command_line_is_one_line_with_each_word_once(before: str) -> None:
    assert with_memory_cgroup(before) == ON


def test_words_that_may_be_repeated_are_kept() -> None:
    assert with_memory_cgroup("console=a console=b quiet").startswith("console=a console=b quiet ")


def test_a_kernel_that_has_it_needs_nothing_whatever_the_file_says() -> None:
    assert decide("root=/dev/sda2\n", memory="yes") == Satisfied()


def test_the_file_is_written_with_its_own_mode_and_the_node_rebooted() -> None:
    decision = decide("root=/dev/sda2 rootwait\n", mode="700")
    assert isinstance(decision, Change)
    assert decision.risk is Risk.REBOOT
    assert decision.actions == (WriteFile(FILE, ON, mode=0o700, backup=True), Reboot(300))
    assert not decision.retry_safe


def test_a_run_cut_off_before_the_reboot_is_finished_by_the_next() -> None:
    decision = decide(ON)
    assert isinstance(decision, Change)
    assert decision.actions == (Reboot(300),)


@pytest.mark.parametrize(
    ("text", "facts", "fix"),
    [
        (None, {}, "GRUB"),
        (ON, {"ignored": "yes"}, "update the kernel"),
        (ON, {"untried": "yes"}, "reboot it"),
    ],
)
def test_what_a_reboot_cannot_help_is_refused(
    text: str | None, facts: dict[str, str], fix: str
) -> None:
    decision = decide(text, **facts)
    assert isinstance(decision, Blocked)
    assert fix in decision.fix
