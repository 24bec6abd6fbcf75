"""How a machine fares: what is read of what it prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.doubles.tool_doubles import lay
from tests.forks import spend

from picluster.engine.probe import Observation
from picluster.errors import Unreadable
from picluster.steps.vitals import VITALS, Vitals, read_vitals

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
    assert read_vitals(Observation(out="throttled=0x0\nload=\nmemory=\n")) == Vitals()


@pytest.mark.parametrize(
    "line", ["memory=²", "uptime=--5", "load=nan", "throttled=0x5_0", "free=1e3"]
)
def test_nonsense_is_no_number(line: str) -> None:
    with pytest.raises(Unreadable):
        read_vitals(Observation(out=f"{line}\n"))


def test_the_probe_works_on_a_real_system() -> None:
    done = subprocess.run(["sh", "-c", VITALS.text], capture_output=True, text=True, check=True)
    found = read_vitals(Observation(out=done.stdout))
    assert done.stderr == ""
    assert found.memory is not None
    assert found.memory_available is not None
    assert found.disk_free is not None


def test_a_pi_pays_for_it_with_two_processes(tmp_path: Path) -> None:
    model, node = tmp_path / "model", tmp_path / "node"
    model.write_text("Raspberry Pi 5 Model B Rev 1.0\0")
    lay(
        node,
        {
            "usr/local/sbin/vcgencmd": "#!/bin/sh\necho throttled=0x50005\n",
            "sys/class/thermal/thermal_zone0/temp": "52582\n",
        },
    )
    spent = spend(VITALS.text.replace("/proc/device-tree/model", str(model)), node)
    assert spent.done.err == b""
    assert spent.forks == 2, "df and vcgencmd"
    found = read_vitals(Observation(out=spent.done.out.decode()))
    assert found.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert found.temperature == pytest.approx(52.582)
    assert found.throttling[:2] == ("under-voltage", "throttled")
    assert found.disk_free is not None
