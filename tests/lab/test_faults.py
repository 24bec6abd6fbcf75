"""What can be done to a lab node on purpose, and undone: as it happens to Raspberry Pis."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import pytest

from picluster.lab.supervise import leader
from tests.lab.bench import Bench, Pi

SECONDS = 2.0


@pytest.fixture
def harmed(solo: Bench) -> Iterator[Pi]:
    """A node that a test may break; it is mended afterwards."""
    node = solo.node(1)
    yield node
    node.mend()


def banner(node: Pi) -> bytes:
    """What sshd says first; empty if it says nothing, or cannot be reached."""
    try:
        with socket.create_connection((node.address, 22), timeout=SECONDS) as link:
            link.settimeout(SECONDS)
            return link.recv(64)
    except OSError:
        return b""


def identity(node: Pi) -> tuple[str, str, str]:
    keys = node.read("/etc/ssh/ssh_host_ed25519_key.pub")
    return node.read("/etc/machine-id"), keys, node.read("/proc/sys/kernel/random/boot_id")


def test_a_cut_cable_takes_the_network_and_nothing_else(harmed: Pi) -> None:
    assert banner(harmed)
    harmed.break_("cut")
    assert banner(harmed) == b""
    assert harmed.holds("systemctl is-active --quiet ssh")
    harmed.mend()
    assert banner(harmed)


def test_a_frozen_node_takes_connections_and_says_nothing(harmed: Pi) -> None:
    harmed.break_("freeze")
    with socket.create_connection((harmed.address, 22), timeout=SECONDS):
        assert banner(harmed) == b""
    harmed.mend()
    assert banner(harmed)


def test_a_node_without_power_comes_back_as_it_was(harmed: Pi) -> None:
    harmed.sh("echo kept >/root/kept")
    before = identity(harmed)
    harmed.break_("power-off")
    assert leader(harmed.node) is None
    assert banner(harmed) == b""
    harmed.mend()
    assert harmed.read("/root/kept") == "kept\n"
    assert identity(harmed)[:2] == before[:2]


def test_a_full_card_takes_no_more(harmed: Pi) -> None:
    write = "head -c 3000000 /dev/zero >/root/more"
    assert harmed.holds(write)
    harmed.sh("rm /root/more")
    harmed.break_("fill-disk")
    assert not harmed.holds(write)
    harmed.mend()
    assert harmed.holds(write)
    harmed.sh("rm /root/more")


def test_a_slow_link_is_shaped_and_made_fast_again(harmed: Pi) -> None:
    def shaped() -> bool:
        show = ["tc", "qdisc", "show", "dev", harmed.node.interface]
        said = subprocess.run(show, capture_output=True, text=True, check=True).stdout
        return "1Mbit" in said

    assert not shaped()
    harmed.break_("slow-link")
    assert shaped()
    assert banner(harmed), "slow is not gone"
    harmed.mend()
    assert not shaped()


def test_a_reflashed_card_is_another_machine(solo: Bench, harmed: Pi) -> None:
    harmed.sh("echo lost >/root/lost")
    before = identity(harmed)
    solo.reflash(harmed)
    assert not harmed.holds("test -e /root/lost")
    assert all(new != old for new, old in zip(identity(harmed), before, strict=True))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["break", "melt", "solo1"], "cut, freeze"),
        (["break", "cut", "solo9"], "no node"),
        (["mend", "solo9"], "no node"),
    ],
)
def test_what_the_lab_does_not_have_is_refused(
    solo: Bench, arguments: list[str], said: str
) -> None:
    assert said in solo.lab_command(*arguments, expect=2).said
