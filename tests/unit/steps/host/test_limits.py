"""Limits of the kernel: raised where they are too low, and never lowered."""

from __future__ import annotations

import base64
import subprocess

import pytest
from tests.unit.steps.looking import decide

from picluster.engine.probe import Observation
from picluster.engine.step import Change, Run, Satisfied, WriteFile
from picluster.facts.kernel import KernelLimits, sysctl_limits
from picluster.steps.host.limits import LIMITS_FILE, LimitsRaised

INSTANCES, WATCHES = "fs.inotify.max_user_instances", "fs.inotify.max_user_watches"
STEP = LimitsRaised()
BOTH = f"# Written by picluster.\n{INSTANCES} = 8192\n{WATCHES} = 524288\n"
ONE = f"# Written by picluster.\n{INSTANCES} = 8192\n"


def seen(instances: int, watches: int, file: str = "", *, settable: bool = True) -> list[str]:
    lines = [f"{INSTANCES}={instances}", f"{WATCHES}={watches}"]
    lines += [f"settable={key}" for key in (INSTANCES, WATCHES) if settable]
    return [*lines, f"file={base64.b64encode(file.encode()).decode()}"] if file else lines


@pytest.mark.parametrize(
    "lines",
    [
        seen(8192, 524288, BOTH),
        seen(65536, 1048576),  # somebody gave it more, and no file of ours lowers that
        seen(65536, 1048576, BOTH),  # a later file gave it more
        seen(2048, 30000, settable=False),  # a container: its host decides
        [],  # a kernel without inotify
    ],
)
def test_what_is_high_enough_or_not_ours_is_left_alone(lines: list[str]) -> None:
    assert decide(STEP, *lines) == Satisfied()


@pytest.mark.parametrize(
    ("lines", "text", "set_now"),
    [
        (seen(128, 30000), BOTH, [f"{INSTANCES}=8192", f"{WATCHES}=524288"]),
        (seen(128, 1048576), ONE, [f"{INSTANCES}=8192"]),  # what is higher is not lowered at boot
        (seen(128, 524288, BOTH), BOTH, [f"{INSTANCES}=8192"]),  # raised once, lowered by hand
        (seen(8192, 30000, ONE), BOTH, [f"{WATCHES}=524288"]),
        (seen(8192, 524288, f"{BOTH}vm.x = 1\n"), BOTH, []),
    ],
)
def test_what_is_too_low_is_raised_now_and_for_every_boot(
    lines: list[str], text: str, set_now: list[str]
) -> None:
    change = decide(STEP, *lines)
    assert isinstance(change, Change)
    run = [Run("".join(f"sysctl -q -w {each}\n" for each in set_now))] if set_now else []
    assert change.actions == (WriteFile(LIMITS_FILE, text), *run)
    assert decide(STEP, *seen(8192, 1048576, text)) == Satisfied(), "it converges"


def test_a_container_with_the_kernels_own_limit_is_warned_of() -> None:
    decision = decide(STEP, *seen(128, 30000, settable=False))
    assert isinstance(decision, Satisfied)
    assert "max_user_instances is 128" in decision.warning


def test_the_probe_reads_this_kernel() -> None:
    probe = sysctl_limits("x", (INSTANCES, "fs.no-such.limit"), "/nonexistent/file")
    done = subprocess.run(["sh", "-c", probe.text], capture_output=True, text=True, check=True)
    limits = probe.parse(Observation(out=done.stdout))
    assert isinstance(limits, KernelLimits)
    assert set(limits.values) == {INSTANCES}
    assert limits.values[INSTANCES] > 0
    assert limits.text == ""
