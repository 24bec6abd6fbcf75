"""Kernel modules and parameters: in force now, and after every reboot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.facts.kernel import Modules, Sysctls, kernel_modules, sysctls

MODULES = "kernel-modules"
SYSCTLS = "sysctls-in-force"
MODULES_FILE = "/etc/modules-load.d/k3s.conf"
SYSCTL_FILE = "/etc/sysctl.d/99-k3s.conf"

K3S_MODULES = ("overlay", "br_netfilter", "nf_conntrack")
"""What containerd and kube-proxy need."""

FLANNEL_MODULES: Mapping[str, tuple[str, ...]] = {
    "vxlan": ("vxlan",),
    "wireguard-native": ("wireguard",),
}
"""What flannel's backends make their tunnels with."""

LONGHORN_MODULES = ("iscsi_tcp",)
"""What Longhorn's volumes need; K3s runs without it."""

K3S_SYSCTLS: Mapping[str, str] = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
}

_MODULES_FIX = (
    "install the kernel's extra modules (on Ubuntu linux-modules-extra-raspi), and reboot"
)
_TUNNEL_FIXES = {
    "vxlan": "on Ubuntu install linux-modules-extra-raspi and reboot, or set "
    "k3s.flannel_backend: host-gw",
    "wireguard": "use a kernel that has it (Linux has since 5.6), or set "
    "k3s.flannel_backend: vxlan",
}


@dataclass(frozen=True, slots=True)
class ModulesLoaded:
    """These kernel modules are loaded or built in.

    `optional` ones are only needed by some storage: without them there is a warning. A kernel
    that brings no modules at all (a virtual machine's) may have what it needs built in without
    saying so, hence a warning there too.
    """

    required: Sequence[str]
    optional: Sequence[str] = ()
    name: str = MODULES

    @property
    def title(self) -> str:
        return "the kernel modules of K3s are loaded"

    def probe(self) -> ShellProbe[Modules]:
        return kernel_modules((*self.required, *self.optional))

    def decide(self, look: Look) -> Decision:
        kernel = look.read(self.probe())
        wanted = (*self.required, *self.optional)
        absent = [module for module in wanted if module not in kernel.there]
        loadable = [module for module in absent if module in kernel.loadable]
        lost = [module for module in absent if module not in loadable]
        refused = [module for module in lost if module in self.required]
        if refused and kernel.replaced:
            return Blocked(
                f"module {', '.join(refused)} cannot be loaded: the kernel was updated since boot",
                "reboot it, and run this again",
            )
        if refused and not kernel.brings_none:
            return Blocked(
                f"the kernel has no module {', '.join(refused)}",
                _TUNNEL_FIXES.get(", ".join(refused), _MODULES_FIX),
            )
        if loadable:
            script = "".join(f"modprobe {quote(module)}\n" for module in loadable)
            return Change(f"load {', '.join(loadable)}", (Run(script),), reason="not loaded")
        if lost:
            return Satisfied(warning=f"the kernel does not show {', '.join(lost)}{_use(lost)}")
        return Satisfied()


def _use(modules: Sequence[str]) -> str:
    return " (Longhorn's volumes need it)" if list(modules) == list(LONGHORN_MODULES) else ""


@dataclass(frozen=True, slots=True)
class SysctlsInForce:
    """These kernel parameters have these values now; the file beside it says so for every boot."""

    values: Mapping[str, str]
    name: str = SYSCTLS

    @property
    def title(self) -> str:
        return "the kernel parameters of K3s are in force"

    def probe(self) -> ShellProbe[Sysctls]:
        return sysctls(tuple(self.values))

    def decide(self, look: Look) -> Decision:
        """Compare the values, whatever blanks are between their parts."""
        present = look.read(self.probe()).values
        wrong = {
            key: present.get(key)
            for key, value in self.values.items()
            if present.get(key) != " ".join(value.split())
        }
        if not wrong:
            return Satisfied()
        return Change(
            f"set {', '.join(wrong)}",
            (set_now({key: self.values[key] for key in wrong}),),
            reason="; ".join(
                f"{key} is {'not there' if value is None else value}"
                for key, value in wrong.items()
            ),
        )


def set_now(values: Mapping[str, object]) -> Run:
    """Return what sets these now."""
    assigned = (quote(f"{key}={value}") for key, value in values.items())
    return Run("".join(f"sysctl -q -w {each}\n" for each in assigned))


def sysctl_text(values: Mapping[str, object]) -> str:
    """Return the file that sets these at boot."""
    return "# Written by picluster.\n" + "".join(
        f"{key} = {value}\n" for key, value in values.items()
    )


def modules_text(modules: Sequence[str]) -> str:
    """Return the file that has these loaded at boot."""
    return "# Written by picluster.\n" + "".join(f"{module}\n" for module in modules)
