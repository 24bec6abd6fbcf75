"""One node that cannot be worked on: its own message, exit code 4, and nothing changed anywhere."""

from __future__ import annotations

import pytest

from picluster.lab import faults
from tests.lab.bench import Bench, Pi, differing


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
def test_a_node_that_cannot_be_worked_on_stops_all_before_any_change(
    trio: Bench, damage: object, said: str
) -> None:
    first, second, victim = trio.nodes
    damage(trio, victim)  # type: ignore[operator]
    before = {node.name: node.tree() for node in (first, second)}
    try:
        refused = trio.picluster("up", expect=4)
    finally:
        after = {node.name: node.tree() for node in (first, second)}
        victim.mend()
        trio.reflash(victim)
    assert said in refused.said
    assert victim.name in refused.said
    assert "fix:" in refused.said
    assert "Traceback" not in refused.said
    changed = {node: differing(tree, after[node]) for node, tree in before.items()}
    assert not any(changed.values()), f"something was changed: {changed}"


def test_several_nodes_that_cannot_be_worked_on_are_all_named(trio: Bench) -> None:
    _, second, third = trio.nodes
    second.break_("power-off")
    without_the_key(trio, third)
    try:
        refused = trio.picluster("up", expect=4)
    finally:
        second.mend()
        trio.reflash(second, third)
    assert second.name in refused.said
    assert third.name in refused.said
    assert "nothing was changed on any node" in refused.said


def test_a_password_does_not_help_a_user_who_may_not_use_sudo(
    trio: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PI_PASSWORD", "raspberry")
    first, _, victim = trio.nodes
    without_sudo(trio, victim)
    before = first.tree()
    try:
        with trio.edited("  user: pi\n", "  user: pi\n  sudo_password: env:PI_PASSWORD\n"):
            refused = trio.picluster("up", expect=4)
    finally:
        trio.reflash(victim)
    assert "pi may not use sudo" in refused.said
    assert victim.name in refused.said
    assert "raspberry" not in refused.said
    changed = differing(before, first.tree())
    assert not changed, f"changed on {first.name}: {changed}"
