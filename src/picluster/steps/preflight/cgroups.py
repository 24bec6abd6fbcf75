"""The kubelet of the wanted release works with the machine's control groups."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.step import Blocked, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.facts.boot import CGROUPS
from picluster.model.releases import parse_version

_REFUSES_VERSION_1 = (1, 35)
"""https://kubernetes.io/docs/concepts/architecture/cgroups/: failCgroupV1 is true since 1.35."""


@dataclass(frozen=True, slots=True)
class CgroupsFit:
    """K3s of the version `release` starts on this machine; `allowed` lets it in spite of v1."""

    release: str
    allowed: bool
    name: str = "cgroups-fit"
    title: str = "control groups that the kubelet takes"

    def probe(self) -> ShellProbe[int]:
        return CGROUPS

    def decide(self, look: Look) -> Decision:
        """Refuse version 1 where the kubelet would end at once with it."""
        version = parse_version(self.release)
        if look.read(CGROUPS) != 1 or version is None or version < _REFUSES_VERSION_1:
            return Satisfied()
        if self.allowed:
            return Satisfied()
        return Blocked(
            f"it has control groups of version 1, and the kubelet of K3s {self.release} does not "
            "start with them",
            "take systemd.unified_cgroup_hierarchy=0 out of the kernel's command line and reboot, "
            "or flash a current system; k3s.kubelet_args: {fail-cgroupv1: false} lets it for now",
        )
