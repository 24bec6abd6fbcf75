"""Releases of a real K3s in directories, and lab nodes whose cluster file asks for one."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from picluster.lab import rehearsal
from picluster.steps.k3s.artifacts import binary_name
from tests.lab.bench import Bench

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
"""


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


def rehearse_real(
    name: str, nodes: int, servers: int, home: Path, release: Release
) -> Iterator[Bench]:
    """Boot a lab whose cluster file asks for that release, lend it, and remove it."""
    file = home / name / "cluster.yaml"
    try:
        lab = rehearsal.up(rehearsal.Wish(name, nodes, servers, None, file), lambda line: None)
        text = file.read_text().rstrip() + "\n"
        section = "" if "\nk3s:\n" in text else "k3s:\n"
        asked = _SECTIONS.format(version=release.version, directory=release.directory)
        file.write_text(text + section + asked)
        yield Bench(lab, file)
    finally:
        rehearsal.down(name)


def use(case: Bench, former: Release, wanted: Release) -> None:
    """Let the cluster file ask for another release."""
    text = case.file.read_text()
    text = text.replace(f"version: {former.version}\n", f"version: {wanted.version}\n")
    case.file.write_text(text.replace(str(former.directory), str(wanted.directory)))
