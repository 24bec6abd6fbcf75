"""What the lab needs on this computer, and which Debian package brings it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from picluster.errors import PreflightRefused

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "ssh-keygen": "openssh-client",
    "dpkg-scanpackages": "dpkg-dev",
}
"""Programs the lab runs, and the Debian packages that they are in."""


def missing(packages: Mapping[str, str] = PACKAGES) -> dict[str, str]:
    """Return the programs of `packages` that are not here, with the Debian packages of them."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return {
        program: package
        for program, package in packages.items()
        if shutil.which(program, path=path) is None
    }


def check() -> None:
    """Raise `PreflightRefused` if the lab cannot run here, with what to do about it."""
    if os.geteuid() != 0:
        raise PreflightRefused(
            "the lab needs root: it mounts trees and boots machines", fix="run it with sudo"
        )
    packages = sorted(set(missing().values()))
    if packages:
        raise PreflightRefused(
            f"programs are missing: {', '.join(sorted(missing()))}",
            fix=f"apt-get install --no-install-recommends {' '.join(packages)}",
        )


def install(packages: Mapping[str, str] = PACKAGES) -> None:
    """Install those of the packages whose programs are missing, with apt; needs root."""
    wanted = sorted(set(missing(packages).values()))
    if not wanted:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted],
    ):
        subprocess.run(command, check=True, env=environment)


def main(packages: Mapping[str, str] = PACKAGES) -> None:
    """With `--install`, install what is missing; exit with a message if something still is."""
    if "--install" in sys.argv and Path("/etc/debian_version").exists():
        install(packages)
    for program, package in missing(packages).items():
        sys.exit(f"{program} is missing; on Debian it is in the package {package}")


if __name__ == "__main__":
    main()
