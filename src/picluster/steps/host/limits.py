"""Limits of the kernel that are too low for a host of Kubernetes are raised, and never lowered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from picluster.engine.probe import ShellProbe
from picluster.engine.step import Change, Decision, Diff, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.kernel import KernelLimits, sysctl_limits
from picluster.steps.host.kernel import set_now, sysctl_text

LIMITS = "inotify-limits"
LIMITS_FILE = "/etc/sysctl.d/10-picluster.conf"
"""Read early at boot: whatever else is set on the machine comes after it, and stands."""

INSTANCES = "fs.inotify.max_user_instances"
INOTIFY: Mapping[str, int] = {INSTANCES: 8192, "fs.inotify.max_user_watches": 524288}
"""What Bottlerocket and Amazon's EKS images give their nodes (bottlerocket-os/bottlerocket#2335).

A kubelet watches files, and containerd each container's control group: the kernel's 128 instances
are used up by some fifty pods, and K3s ends with "too many open files" (k3s-io/k3s#10020).
"""

_SCARCE = 128  # the kernel's own


@dataclass(frozen=True, slots=True)
class LimitsRaised:
    """These limits are at least so high now, and after every reboot.

    What is higher stays, and so does what a container cannot set.
    """

    floors: Mapping[str, int] = field(default_factory=lambda: INOTIFY)
    name: str = LIMITS
    title: str = "the kernel lets enough files be watched"

    def probe(self) -> ShellProbe[KernelLimits]:
        return sysctl_limits(self.name, tuple(self.floors), LIMITS_FILE)

    def decide(self, look: Look) -> Decision:
        """Raise what is too low, and keep raised at boot what was raised once."""
        seen = look.read(self.probe())
        low = {key: seen.values[key] for key in self._below(seen)}
        raised = [key for key in low if key in seen.settable]
        kept = [key for key in self.floors if f"\n{key} = " in seen.text]
        wanted = {key: floor for key, floor in self.floors.items() if key in (*raised, *kept)}
        text = sysctl_text(wanted) if wanted else ""
        if not raised and text == seen.text:
            return Satisfied(warning=_warning(low))
        now = [set_now({key: self.floors[key] for key in raised})] if raised else []
        return Change(
            f"raise {', '.join(raised)}" if raised else f"write {LIMITS_FILE}",
            (WriteFile(LIMITS_FILE, text), *now),
            reason="; ".join(f"{key} is {low[key]}" for key in raised) or "its content differs",
            diff=Diff(seen.text, text),
        )

    def _below(self, seen: KernelLimits) -> list[str]:
        floors = self.floors
        return [key for key in floors if key in seen.values and seen.values[key] < floors[key]]


def _warning(low: Mapping[str, int]) -> str:
    if low.get(INSTANCES, _SCARCE + 1) > _SCARCE:
        return ""
    return (
        f"{INSTANCES} is {low[INSTANCES]}, and only the machine that this container runs on can "
        f"raise it: K3s may end with `too many open files`"
    )
