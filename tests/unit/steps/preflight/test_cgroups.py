"""Control groups of version 1 are refused before a kubelet that ends with them is installed."""

from __future__ import annotations

import subprocess

import pytest
from tests.unit.steps.looking import look_at, printed

from picluster.engine.step import Blocked, Satisfied
from picluster.facts.boot import CGROUPS
from picluster.steps.preflight.cgroups import CgroupsFit


@pytest.mark.parametrize(
    ("release", "version", "allowed", "fits"),
    [
        ("v1.34.11+k3s1", 1, False, True),
        ("v1.35.8+k3s1", 1, False, False),
        ("v1.36.3+k3s1", 1, False, False),
        ("v1.36.3+k3s1", 1, True, True),
        ("v1.36.3+k3s1", 2, False, True),
        ("v1.36.3+k3s1", 0, False, True),
    ],
)
def test_a_kubelet_that_would_end_at_once_is_refused(
    release: str, version: int, allowed: bool, fits: bool
) -> None:
    step = CgroupsFit(release, allowed)
    decision = step.decide(look_at(step, printed(CGROUPS, f"version={version}")))
    assert isinstance(decision, Satisfied if fits else Blocked), decision
    if isinstance(decision, Blocked):
        assert release in decision.reason
        assert "fail-cgroupv1: false" in decision.fix


def test_the_probe_tells_the_version_of_this_machine() -> None:
    done = subprocess.run(["sh", "-c", CGROUPS.text], capture_output=True, text=True, check=True)
    kind = subprocess.run(
        ["stat", "-fc", "%T", "/sys/fs/cgroup"], capture_output=True, text=True, check=False
    )
    there = kind.stdout.strip() == "cgroup2fs"
    assert (done.stdout.strip() == "version=2") is there
