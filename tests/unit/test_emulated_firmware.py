"""What the firmware of the emulated machine tells a kernel that is not Raspberry Pi's."""

from __future__ import annotations

from tests.vm.qemu import kernel_line

from picluster.steps.host.boot import with_memory_cgroup

CARD = "console=ttyAMA0 root=/dev/vda rootwait\n"
DISABLES = "cgroup_disable=memory"


def test_as_a_card_is_flashed_the_kernel_has_no_memory_cgroup() -> None:
    assert DISABLES in kernel_line(CARD).split()


def test_what_prepare_writes_turns_it_on() -> None:
    line = kernel_line(with_memory_cgroup(CARD))
    assert DISABLES not in line.split()
    assert line.endswith("rootwait cgroup_enable=memory cgroup_memory=1")


def test_a_second_line_is_not_read() -> None:
    assert DISABLES in kernel_line(f"{CARD}cgroup_enable=memory\n").split()
