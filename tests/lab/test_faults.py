"""What can be done to a lab node on purpose, and undone: as it happens to Raspberry Pis."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import pytest

from picluster.lab.supervise import leader
from tests.lab.bench import Bench, Pi, until

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


OLD_ROUTE, OLD_LINK = "10.42.7.0/24", "was"


def use_the_network(node: Pi) -> str:
    """Leave a route and an interface behind, as a K3s does; return which network stack has them."""
    node.sh(f"ip route add {OLD_ROUTE} dev eth0 && ip link add {OLD_LINK} type bridge")
    return network_stack(node)


def network_stack(node: Pi) -> str:
    """Tell one network stack, with all its firewall rules, from another."""
    return node.sh("readlink /proc/1/ns/net")


def has_nothing_of(stack: str, node: Pi) -> bool:
    left = node.sh("ip route; ip link")
    return network_stack(node) != stack and OLD_ROUTE not in left and f" {OLD_LINK}:" not in left


def identity(node: Pi) -> tuple[str, str, str]:
    keys = node.read("/etc/ssh/ssh_host_ed25519_key.pub")
    return node.read("/etc/machine-id"), keys, node.read("/proc/sys/kernel/random/boot_id")


def test_a_node_boots_whole_and_without_udev(harmed: Pi) -> None:
    """With udev each booting node would have every other one handle this computer's devices."""
    assert harmed.sh("systemctl is-system-running").strip() == "running"
    assert not harmed.holds("pgrep -x systemd-udevd || [ -e /run/udev/control ]")


def test_a_cut_cable_takes_the_network_and_nothing_else_and_outlives_a_reboot(harmed: Pi) -> None:
    assert banner(harmed)
    harmed.break_("cut")
    assert banner(harmed) == b""
    assert harmed.holds("systemctl is-active --quiet ssh")
    before, stack = identity(harmed), use_the_network(harmed)
    harmed.sh("systemctl --no-block reboot")
    until(lambda: harmed.holds(f"! grep -q {before[2].strip()} /proc/sys/kernel/random/boot_id"))
    harmed.wait()
    assert banner(harmed) == b"", "a boot does not plug a cable in"
    assert has_nothing_of(stack, harmed)
    harmed.mend()
    until(lambda: banner(harmed) != b"")


def test_a_frozen_node_takes_connections_and_says_nothing(harmed: Pi) -> None:
    harmed.break_("freeze")
    with socket.create_connection((harmed.address, 22), timeout=SECONDS):
        assert banner(harmed) == b""
    harmed.mend()
    until(lambda: banner(harmed) != b"")


def test_a_node_without_power_comes_back_as_it_was(harmed: Pi) -> None:
    harmed.sh("echo kept >/srv/kept")
    before, stack = identity(harmed), use_the_network(harmed)
    harmed.break_("power-off")
    assert leader(harmed.node) is None
    assert banner(harmed) == b""
    harmed.mend()
    assert harmed.read("/srv/kept") == "kept\n"
    assert identity(harmed)[:2] == before[:2]
    assert has_nothing_of(stack, harmed)


def test_a_full_card_takes_no_more(harmed: Pi) -> None:
    write = "head -c 3000000 /dev/zero >/srv/more"
    assert harmed.holds(write)
    harmed.sh("rm /srv/more")
    harmed.break_("fill-disk")
    assert not harmed.holds(write)
    harmed.mend()
    assert harmed.holds(write)
    harmed.sh("rm /srv/more")


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
    harmed.sh("echo lost >/srv/lost")
    before, stack = identity(harmed), use_the_network(harmed)
    solo.reflash(harmed)
    assert not harmed.holds("test -e /srv/lost")
    assert all(new != old for new, old in zip(identity(harmed), before, strict=True))
    assert has_nothing_of(stack, harmed)


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
