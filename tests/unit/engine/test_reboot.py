"""A reboot is over when the node runs another boot, and has started."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.doubles.node_answers import NodeAnswers
from tests.doubles.progress import ProgressDouble

from picluster.engine.reboot import BootSeen, judge, reboot
from picluster.engine.waiting import Done, Waiting
from picluster.errors import HostKeyChanged, Unreachable, WaitFailed


@pytest.mark.parametrize(
    ("boot", "state"),
    [
        (BootSeen(away="no answer"), "rebooting: no answer"),
        (BootSeen("old", 9000, "running"), "rebooting: going down"),
        (BootSeen("new", 9, "starting"), "rebooted: the system is starting"),
        (
            BootSeen("new", 9, "starting", ("a.service", "b.service", "c.service")),
            "rebooted: the system is starting, a.service, b.service above all",
        ),
    ],
)
def test_what_a_reboot_waits_for(boot: BootSeen, state: str) -> None:
    assert judge(boot, "old") == Waiting(state)


@pytest.mark.parametrize(
    "boot",
    [
        BootSeen("new", 20, "running"),
        BootSeen("new", 20, "degraded"),
        BootSeen("new", 121, "starting"),
    ],
)
def test_it_is_over_when_the_system_has_started_or_waits_for_something_else(boot: BootSeen) -> None:
    assert judge(boot, "old") == Done()


class Node:
    """A node that shows `shown(second)` after a reboot was asked for `asked` times."""

    def __init__(self, shown: Callable[[float], str]) -> None:
        self.progress = ProgressDouble()
        self.shown, self.asked = shown, 0
        self.answers = NodeAnswers(self._answer)

    def _answer(self, script: str) -> str:
        if "systemctl reboot" in script:
            self.asked += 1
            return ""
        shown = self.shown(self.progress.now)
        return shown if "uptime" in script else shown.split()[0]

    def reboot(self, timeout: float = 600) -> None:
        reboot(self.answers.sessions, "pi1", timeout, self.progress)


def test_a_reboot_is_followed_from_going_down_to_being_up() -> None:
    def shown(now: float) -> str:
        if 3 <= now < 30:
            raise Unreachable("no answer", where="pi1")
        system = "starting" if now < 60 else "running"
        return "old 9000 running" if now < 3 else f"new {now:.0f} {system} x.mount"

    node = Node(shown)
    node.reboot()
    assert node.progress.states == [
        "rebooting: going down",
        "rebooting: no answer",
        "rebooted: the system is starting, x.mount above all",
    ]
    assert node.asked == 1


def test_a_node_that_takes_no_notice_is_asked_again_and_given_up_in_the_end() -> None:
    node = Node(lambda _: "old 9000 running")
    with pytest.raises(WaitFailed, match="not within 60 s") as caught:
        node.reboot(60)
    assert node.asked > 3
    assert "limits.reboot" in caught.value.fix


def test_another_system_that_comes_up_ends_it_at_once() -> None:
    def shown(now: float) -> str:
        if now >= 9:
            raise HostKeyChanged("another key", where="pi1")
        return "old 9000 running"

    node = Node(shown)
    with pytest.raises(HostKeyChanged):
        node.reboot()
    assert node.progress.now == 9
