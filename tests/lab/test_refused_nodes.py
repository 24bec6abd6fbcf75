"""Nodes that cannot be worked on: their own message, exit code 4, and the others go on."""

from __future__ import annotations

import re

import pytest

from picluster.lab import faults
from tests.lab.bench import Bench, Pi


def without_power(bench: Bench, node: Pi) -> None:
    node.break_("power-off")


def without_the_key(bench: Bench, node: Pi) -> None:
    node.sh("mv /home/pi/.ssh/authorized_keys /home/pi/.ssh/away")


def without_sudo(bench: Bench, node: Pi) -> None:
    node.sh("gpasswd -d pi sudo; rm -f /etc/sudoers.d/*pi*; echo pi:raspberry | chpasswd")


def with_another_host_key(bench: Bench, node: Pi) -> None:
    faults.reflash(bench.lab, node.node)
    node.wait()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without_power, "cannot be reached over SSH"),
        (without_the_key, "it does not let pi in"),
        (without_sudo, "sudo asks for a password for pi"),
        (with_another_host_key, "host key is not the one that is pinned"),
    ],
    ids=["off", "key refused", "no sudo", "other host key"],
)
def test_a_node_that_cannot_be_worked_on_stops_only_itself(
    trio: Bench, damage: object, said: str
) -> None:
    first, second, victim = trio.nodes
    damage(trio, victim)  # type: ignore[operator]
    for node in (first, second):
        node.sh("rm -f /etc/sysctl.d/99-k3s.conf")
    try:
        without = trio.picluster("up", "--until", "prepare", expect=4)
        planned = trio.picluster("plan", "--until", "prepare", "--json", expect=4).document
    finally:
        victim.mend()
        trio.reflash(victim)
    assert said in without.said
    assert "fix:" in without.said
    assert "Traceback" not in without.said
    assert re.search(rf"up without {victim.name} \(exit code 4\): [0-9]+ changes", without.out)
    assert ("SECURITY" in without.out) == (damage is with_another_host_key)
    for node in (first, second):
        node.sh("ls /etc/sysctl.d/99-k3s.conf")
    assert [each["target"] for each in planned["missing"]] == [victim.name]  # type: ignore[attr-defined]
    assert planned["changes"] == [], "the others are as the file says"


def test_no_cluster_is_started_while_a_server_that_may_hold_it_is_missing(trio: Bench) -> None:
    first, second, third = trio.nodes
    trio.reflash(first, second)
    third.break_("power-off")
    try:
        refused = trio.picluster("up", expect=4)
        limited = trio.picluster("up", "--limit", first.name, expect=4)
        validated = trio.picluster("validate", "--json", expect=4).document
    finally:
        third.mend()
    for said in (refused.said, limited.said):
        assert f"{third.name} cannot be reached, and may hold the cluster" in said
    assert "refused after" in refused.out, "the others have been prepared"
    assert "nothing was changed" in limited.out
    for node in (first, second):
        node.sh("ls /etc/sysctl.d/99-k3s.conf")
        assert node.status("test -e /usr/local/bin/k3s") != 0
    assert [each["target"] for each in validated["missing"]] == [third.name]  # type: ignore[attr-defined]


def test_where_nobody_can_be_worked_on_all_are_named_and_nothing_is_done(trio: Bench) -> None:
    first, second, third = trio.nodes
    without_the_key(trio, first)
    without_the_key(trio, third)
    second.break_("power-off")
    try:
        refused = trio.picluster("up", expect=4)
    finally:
        second.mend()
        trio.reflash(first, second, third)
    for node in trio.nodes:
        assert node.name in refused.said
    assert "nothing was changed on any node" in refused.said


def test_a_password_does_not_help_a_user_who_may_not_use_sudo(
    trio: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PI_PASSWORD", "raspberry")
    victim = trio.node(3)
    without_sudo(trio, victim)
    try:
        with trio.edited("  user: pi\n", "  user: pi\n  sudo_password: env:PI_PASSWORD\n"):
            refused = trio.picluster("up", "--limit", victim.name, expect=4)
    finally:
        trio.reflash(victim)
    assert "pi may not use sudo" in refused.said
    assert victim.name in refused.said
    assert "raspberry" not in refused.said
