"""How a machine fares: what is read of what it prints."""

from __future__ import annotations

import subprocess

import pytest

from picluster.engine.step import Observation, Script
from picluster.steps.vitals import Vitals, read_vitals, vitals_fact

PI = """\
uptime=90061
load=0.42
memory=3884000
available=2000000
disk=30000000
free=12000000
temperature=52582
throttled=0x50005
model=Raspberry Pi 5 Model B Rev 1.0
"""


def test_a_pi_tells_it_all() -> None:
    found = read_vitals(Observation(out=PI))
    assert found.uptime == 90061
    assert found.memory == 3884000 * 1024
    assert found.temperature == pytest.approx(52.582)
    assert found.throttling == (
        "under-voltage",
        "throttled",
        "under-voltage since boot",
        "throttled since boot",
    )


def test_what_is_not_told_is_unknown() -> None:
    assert read_vitals(Observation()) == Vitals()
    assert read_vitals(Observation(out="throttled=0x0\nload=?\nmemory=\n")) == Vitals()


def test_the_probe_works_on_a_real_system() -> None:
    script = vitals_fact().script
    assert isinstance(script, Script)
    done = subprocess.run(["sh", "-c", script.text], capture_output=True, text=True, check=True)
    found = read_vitals(Observation(out=done.stdout))
    assert done.stderr == ""
    assert found.memory is not None
    assert found.memory_available is not None
    assert found.disk_free is not None
