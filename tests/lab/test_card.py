"""A card of Raspberry Pi OS Trixie with what `picluster image` writes, and the real cloud-init.

Debian's cloud-init of that release carries it out; what the image has beside is in
raspberry_pi_os.sh, with its sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.lab import identity, rehearsal
from picluster.lab.commands import run
from picluster.lab.supervise import power_off, power_on
from tests.lab.bench import Bench, Pi, Result
from tests.lab.labs import rehearse

_AS_FLASHED = Path(__file__).with_name("raspberry_pi_os.sh").read_text()


@pytest.fixture(scope="module")
def bench(home: Path, artifacts: Path) -> Iterator[Bench]:
    yield from rehearse("card", 1, 1, home, artifacts, debian="trixie")


@pytest.fixture(scope="module")
def pi(bench: Bench) -> Pi:
    """A node at the end of its first boot."""
    pi = bench.node(1)
    power_off(pi.node)
    identity.flash(bench.lab, pi.node)
    identity.mount(bench.lab, pi.node)
    try:
        run("chroot", str(pi.node.root), "/bin/sh", stdin=_AS_FLASHED)
        bench.picluster("image", pi.name, "--output", str(pi.node.root / "boot/firmware"))
    finally:
        identity.unmount(pi.node)
    power_on(bench.lab, pi.node)
    pi.wait()
    rehearsal.trust(bench.lab, [pi.node])
    return pi


def changed(result: Result) -> set[str]:
    finished = [event for event in result.events if event["event"] == "StepFinished"]
    return {str(event["step"]) for event in finished if event["outcome"] == "changed"}


def test_cloud_init_carries_all_of_it_out(pi: Pi) -> None:
    status = pi.sh("cloud-init status --long || true")
    assert "\nstatus: done" in f"\n{status}", status + pi.read("/var/log/cloud-init-output.log")
    assert "errors: []" in status, status
    assert "Valid schema" in pi.sh("cloud-init schema --config-file /boot/firmware/user-data")
    assert pi.read("/etc/hostname") == f"{pi.name}\n"
    assert pi.sh("su pi -c 'sudo -n id -u' 2>&1") == "0\n", "sudo asks, or does not know its host"
    assert pi.status("systemctl is-enabled userconfig") != 0
    assert pi.status("test -e /etc/ssh/sshd_config.d/rename_user.conf") != 0
    assert pi.sh("tail -n +2 /proc/swaps").startswith("/dev/zram0"), "rpi-swap's stand-in"


def test_up_takes_the_node_without_a_question_and_it_stays_so(bench: Bench, pi: Pi) -> None:
    done = changed(bench.picluster("up", "--json"))
    assert "swap" in done
    assert "memory-cgroup" not in done, "the card had switched it on"
    assert pi.sh("tail -n +2 /proc/swaps") == ""
    assert pi.status("systemctl is-active rpi-zram-writeback.timer") != 0
    pi.restart()
    # It may be back before the cluster calls it Ready, which is then waited for.
    assert changed(bench.picluster("up", "--json")) <= {"k3s-ready"}
    assert pi.sh("tail -n +2 /proc/swaps") == ""
