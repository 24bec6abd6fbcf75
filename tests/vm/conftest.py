"""One emulated Raspberry Pi for the whole story, which only `make vm` tells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from picluster.engine.quote import quote
from picluster.local_files import write_private
from picluster.model.k3s import DEFAULT_VERSION
from picluster.paths import kept_of
from tests.doubles.k3s.build import build
from tests.lab.bench import Result, forget_environment
from tests.vm import image
from tests.vm.qemu import HOST, Disks, Machine

_SECONDS = 3600
_FILE = f"""\
name: vm
domain: lab.internal
ssh: {{user: {image.USER}, key: KEY, password: env:PI_PASSWORD}}
nodes:
  - {{name: vm1, address: {HOST}, role: server, k3s: {{node_ip: {image.ADDRESS}}}}}
k3s: {{airgap_dir: AIRGAP}}
prepare: {{packages: [curl, ca-certificates]}}  # the fewer, the sooner
limits: {{connect: 2m, reboot: 30m, node_ready: 30m}}
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A machine, and the cluster file of somebody who wants a cluster on it."""

    machine: Machine
    file: Path
    key: Path

    def picluster(self, *arguments: str, expect: int | None = 0) -> Result:
        """Run a command on the cluster; by default it has to end well."""
        command = [sys.executable, "-m", "picluster", *arguments, "--file", str(self.file)]
        return _run(command, expect)

    def sh(self, script: str) -> str:
        """Run a script as root, by the key that `bootstrap` let in; it has to succeed."""
        pins = f"UserKnownHostsFile={kept_of('vm').known_hosts}"
        ssh = ["ssh", "-n", "-F", "none", "-i", str(self.key), "-o", pins, "-o", "BatchMode=yes"]
        return _run([*ssh, f"{image.USER}@{HOST}", "sudo -n sh -ec", quote(script)], 0).out


def _run(command: list[str], expect: int | None) -> Result:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    result = Result(done.returncode, done.stdout, done.stderr)
    said = f"`{' '.join(command)}` ended with {result.status}, not {expect}:\n{result.said}"
    assert expect in (None, result.status), said
    return result


@pytest.fixture(scope="session")
def disks(pytestconfig: pytest.Config) -> Disks:
    """The image: from the user's cache, so it is asked for before the tests' own home."""
    if not pytestconfig.getoption("--vm"):
        pytest.skip("an emulated machine is slow: `make vm`")
    return image.image(print)


@pytest.fixture(scope="session")
def home(disks: Disks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of the tests' own."""
    home = tmp_path_factory.mktemp("home")
    before = dict(os.environ)
    environment = forget_environment(home) | {"PI_PASSWORD": image.PASSWORD}
    os.environ.clear()
    os.environ.update(environment)
    yield home
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def desk(home: Path, disks: Disks) -> Iterator[Desk]:
    """A freshly flashed machine that has booted for the first time; its host key is known."""
    key, file = home / "keys/id_new", home / "cluster.yaml"
    build(home / "k3s")
    airgap = home / "k3s" / DEFAULT_VERSION
    shutil.copy(home / "k3s/install.sh", airgap)
    file.write_text(_FILE.replace("KEY", str(key)).replace("AIRGAP", str(airgap)))
    machine = Machine(disks.copy_to(home / "card"))
    kind, blob = Path(f"{disks.host_key}.pub").read_text().split()[:2]
    write_private(kept_of("vm").known_hosts, f"{HOST} {kind} {blob}\n")
    try:
        print(f"sshd answers after {machine.power_on():.0f} s")
        yield Desk(machine, file, key)
    finally:
        machine.cut_power()
