"""picluster is killed at a bad moment; the same command, run again, goes on to a whole cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bench import Bench
from tests.lab.kube import nodes_seen_by
from tests.lab.labs import rehearse

PATIENCE = 120.0


@pytest.fixture(scope="module")
def victims(home: Path, artifacts: Path) -> Iterator[Bench]:
    """Two servers-to-be and one more: bare, and fresh for each test."""
    yield from rehearse("victim", 3, 3, home, artifacts)


@pytest.fixture
def fresh(victims: Bench) -> Bench:
    if any(node.status("test -e /var/lib/rancher") == 0 for node in victims.nodes):
        victims.reflash(*victims.nodes)
    return victims


def until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a moment; the run must not be over before."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None, f"it ended before that: {process.communicate()}"
        assert time.monotonic() < deadline, "that moment never came"
        time.sleep(0.1)


def in_the_middle_of_apt(bench: Bench) -> bool:
    return bench.node(1).status("pgrep -x dpkg >/dev/null || pgrep -x apt-get >/dev/null") == 0


def while_a_node_reboots(bench: Bench) -> bool:
    return bench.node(1).status("grep -q cgroup_enable=memory /boot/firmware/cmdline.txt") == 0


def when_the_token_is_made(bench: Bench) -> bool:
    return bench.node(1).status("test -e /etc/rancher/k3s/cluster-token") == 0


def while_the_second_server_joins(bench: Bench) -> bool:
    return bench.node(2).status("test -d /var/lib/rancher/k3s/server") == 0


MOMENTS = [
    in_the_middle_of_apt,
    while_a_node_reboots,
    when_the_token_is_made,
    while_the_second_server_joins,
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_a_killed_run_is_finished_by_the_next(
    fresh: Bench, moment: Callable[[Bench], bool]
) -> None:
    under_way = fresh.begin("up")
    until(lambda: moment(fresh), under_way)
    os.killpg(under_way.pid, signal.SIGKILL)
    under_way.communicate()
    for node in fresh.nodes:
        node.wait()
    fresh.picluster("up")
    seen = nodes_seen_by(fresh.node(1))
    assert {name: (node["ready"], node["voter"]) for name, node in seen.items()} == {
        node.name: ("True", "True") for node in fresh.nodes
    }
    fresh.picluster("plan", "--exit-code")


def test_ctrl_c_finishes_the_running_steps_and_says_how_to_go_on(fresh: Bench) -> None:
    fresh.reflash(*fresh.nodes)
    under_way = fresh.begin("up")
    until(lambda: in_the_middle_of_apt(fresh), under_way)
    under_way.send_signal(signal.SIGINT)
    out, err = under_way.communicate(timeout=PATIENCE)
    assert under_way.returncode == 130, err
    assert "stopping after the running steps" in err
    assert "next: picluster up" in out
    assert fresh.node(1).status("dpkg --audit | grep -q .") != 0, "apt was torn"
    fresh.picluster("up")
