"""Lab nodes with a real K3s, from directories that the caller names."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from picluster.lab import rehearsal
from picluster.steps.k3s.artifacts import binary_name
from tests.lab.bench import Bench
from tests.lab.conftest import home, lab_can_run

__all__ = ["home", "lab_can_run"]

APP = Path(__file__).parent / "app.yaml"
# No metrics-server: its image is in no small set of images, and nothing here asks for metrics.
# kube-proxy's conntrack limits are the host's, which no container may set.
_SECTIONS = """\
  version: {version}
  airgap_dir: {directory}
  disable: [servicelb, traefik, metrics-server]
  server_options: &options
    kube-proxy-arg: [conntrack-max-per-core=0, conntrack-min=0]
  agent_options: *options
prepare:
  packages: [curl, ca-certificates, iptables, ipset, conntrack]
apps:
  - {{name: store, path: {app}, namespace: store}}
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "a directory with a real K3s: k3s, install.sh, sha256sum-ARCH.txt, images"
    parser.addoption("--release", type=Path, help=told)
    parser.addoption("--next", type=Path, help=f"{told}; what is upgraded to")


@dataclass(frozen=True, slots=True)
class Release:
    """A directory that `k3s.airgap_dir` can be, and which K3s is in it."""

    directory: Path
    version: str


def _arch() -> str:
    """This computer's architecture, by Debian's name: lab nodes have it too."""
    return {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def release_in(directory: Path | None) -> Release | None:
    """Ask the binary itself which release it is."""
    if directory is None:
        return None
    said = subprocess.run(
        [directory / binary_name(_arch()), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return Release(directory.resolve(), said.split()[2])


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Tell which K3s is run."""
    found = [release_in(config.getoption(name)) for name in ("--release", "--next")]
    return [f"K3s {each.version}, from {each.directory}" for each in found if each]


@pytest.fixture(scope="session")
def release(pytestconfig: pytest.Config) -> Release:
    found = release_in(pytestconfig.getoption("--release"))
    if found is None:
        pytest.skip("no release of K3s was named: `make real RELEASE=dir`")
    return found


@pytest.fixture(scope="session")
def following(pytestconfig: pytest.Config) -> Release:
    found = release_in(pytestconfig.getoption("--next"))
    if found is None:
        pytest.skip("no second release was named: `make real RELEASE=dir NEXT=dir`")
    return found


@pytest.fixture(scope="session")
def case(home: Path, release: Release) -> Iterator[Bench]:
    """Three servers and an agent, bare, and a cluster file with an application of the user's."""
    file = home / "case" / "cluster.yaml"
    try:
        lab = rehearsal.up(rehearsal.Wish("case", 4, 3, None, file), lambda line: None)
        text = file.read_text().rstrip() + "\n"
        section = "" if "\nk3s:\n" in text else "k3s:\n"
        file.write_text(text + section + _sections(release))
        yield Bench(lab, file)
    finally:
        rehearsal.down("case")


def _sections(release: Release) -> str:
    return _SECTIONS.format(version=release.version, directory=release.directory, app=APP)


def use(case: Bench, former: Release, wanted: Release) -> None:
    """Let the cluster file ask for another release."""
    text = case.file.read_text()
    text = text.replace(f"version: {former.version}\n", f"version: {wanted.version}\n")
    case.file.write_text(text.replace(str(former.directory), str(wanted.directory)))
