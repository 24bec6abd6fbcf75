"""What the rivals' work is about: the same packages and files for all."""

from __future__ import annotations

PACKAGES = "curl wget git nano htop ca-certificates socat conntrack ipset open-iscsi nfs-common"
FILES = {
    f"/etc/bench/{name}.conf": "".join(f"{name} {line}\n" for line in range(8))
    for name in ("modules", "sysctl", "registries", "config")
}
# What a light node has: nothing is installed there.
_LIGHT_PACKAGES = "openssh-server sudo procps iproute2 udev kmod python3 locales tzdata dbus"


def packages_of(*, light: bool) -> list[str]:
    return (_LIGHT_PACKAGES if light else PACKAGES).split()
