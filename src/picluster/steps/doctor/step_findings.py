"""What other phases check or repair anyway, read by the doctor: their decision as a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from picluster.engine.step import Act, Blocked, Change, Decision, Risk, Satisfied, Step
from picluster.facts.boot import BOOT
from picluster.facts.names import HOST_NAME
from picluster.steps.doctor.finding import (
    NEEDS_A_REBOOT,
    NEEDS_A_RESTART,
    ONLY_BY_HAND,
    Finding,
    Light,
    ok,
    problem,
    warning,
)
from picluster.steps.host import kernel
from picluster.steps.host.drop_ins import CLOUD_INIT
from picluster.steps.host.hosts import HOSTS
from picluster.steps.host.limits import LIMITS
from picluster.steps.host.packages import PACKAGES


@dataclass(frozen=True, slots=True)
class Trap:
    """Why it matters that a step is satisfied; `breaks` if a running cluster suffers without."""

    meaning: str
    breaks: bool = False


_TRAPS: Mapping[str, Trap] = {
    "system": Trap("K3s is only released for 64-bit systems with systemd"),
    "memory": Trap("what is short of memory is killed, and etcd first"),
    "cgroups-fit": Trap("the kubelet ends at once", breaks=True),
    "clock": Trap("certificates of the future, and of the past, are refused"),
    "identity": Trap("the card was written twice: the two are taken for one machine"),
    "host-name": Trap("K3s joins by host name: twins throw each other out"),
    "root": Trap("whatever is set up is gone after a reboot"),
    "address": Trap("the others do not find it, or pods' addresses lead elsewhere"),
    "member-address": Trap("etcd does not start at another address than it was set up with"),
    "ports": Trap("K3s cannot listen on them"),
    "registry-port": Trap("the registry cannot listen on it"),
    "neighbours": Trap("two of them change the same rules and routes"),
    PACKAGES: Trap("K3s, Longhorn and every later installation need them"),
    "apt-proxy": Trap("where the internet is behind a proxy, apt finds no packages"),
    CLOUD_INIT: Trap("at every boot cloud-init gives the node its old name back"),
    "hosts-template": Trap("at every boot cloud-init writes /etc/hosts from it"),
    HOSTS: Trap("nodes find each other by name, without any DNS"),
    HOST_NAME.name: Trap("K3s joins by host name"),
    "timezone": Trap("logs of the nodes are hard to compare"),
    "locale": Trap("programs complain of a language that is not there"),
    "swap": Trap("limits of memory mean little with it, and it wears cards out"),
    "modules-file": Trap("after a reboot the modules are not loaded"),
    kernel.MODULES: Trap("pods' network and containers need them", breaks=True),
    "sysctl-file": Trap("after a reboot the parameters are not set"),
    kernel.SYSCTLS: Trap("packets are not passed on between pods", breaks=True),
    LIMITS: Trap("K3s ends with `too many open files` once many pods run"),
    "iscsid": Trap("Longhorn's volumes cannot be attached"),
    "multipath": Trap("multipathd takes Longhorn's volumes, and they cannot be mounted"),
    "time-sync": Trap("a Pi without a clock battery wakes up in the past"),
    BOOT.name: Trap("K3s does not start", breaks=True),
    "fit-for-longhorn": Trap("Longhorn's volumes do not work here", breaks=True),
}

_HELD = {Risk.REBOOT: NEEDS_A_REBOOT, Risk.RESTART: NEEDS_A_RESTART, Risk.DRAIN: NEEDS_A_RESTART}


def explained() -> frozenset[str]:
    """Return the names of the steps whose decisions can be read."""
    return frozenset(_TRAPS)


def finding_of(step: Step, decision: Decision, *, installed: bool) -> Finding:
    """Return what a step's decision means on a node that has K3s (`installed`), or has not yet.

    `--fix` does what has no risk and takes only the node itself.
    """
    trap = _TRAPS[step.name]
    match decision:
        case Satisfied(warning=said) if said:
            return warning(said, trap.meaning, _FIXES.get(step.name, "see docs/doctor.md"))
        case Satisfied(detail=detail):
            return ok(detail)
        case Blocked(reason=reason, fix=fix):
            return problem(reason, trap.meaning, fix)
        case Change() as change:
            return Finding(
                Light.PROBLEM if installed and trap.breaks else Light.WARNING,
                change.reason or f"to do: {change.summary}",
                trap.meaning,
                "picluster phase prepare",
                fixable=_is_safe(change),
                held="" if _is_safe(change) else _HELD.get(change.risk, ONLY_BY_HAND),
            )


def _is_safe(change: Change) -> bool:
    return change.risk is Risk.NONE and not any(isinstance(each, Act) for each in change.actions)


_FIXES: Mapping[str, str] = {
    "memory": "make it an agent, or use a Pi with more memory",
    "clock": "look whether it reaches a time server: `timedatectl timesync-status` on it",
    "time-sync": "let it reach a time server (UDP 123), or name one in "
    "/etc/systemd/timesyncd.conf; without internet, one on your own network",
    "address": "give it a default route, if only to its own network",
    "neighbours": "open those ports between the nodes, or turn the firewall off",
    kernel.MODULES: "use a kernel that has it, if you want what needs it",
    LIMITS: "raise it on the host of this container, with `sysctl -w` and in /etc/sysctl.d",
    "iscsid": "`journalctl -u iscsid` on it; a container has no iSCSI of its own",
    "fit-for-longhorn": "give the node a disk, or leave Longhorn's volumes to others",
}
"""What to do about a step's warning."""
