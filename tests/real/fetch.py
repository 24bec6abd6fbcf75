"""Fetch a release of K3s as `make real` takes it: `python -m tests.real.fetch MINOR ARCH DIR`.

MINOR such as 1.36 is its newest release that picluster knows (model/releases.toml).
"""

from __future__ import annotations

import sys
from pathlib import Path

from picluster.model.releases import KNOWN
from picluster.steps.download import download, parse_checksums
from picluster.steps.k3s.artifacts import binary_name

_RELEASES = "https://github.com/k3s-io/k3s/releases/download"
_SOURCE = "https://raw.githubusercontent.com/k3s-io/k3s"


def fetch(version: str, arch: str, directory: Path) -> None:
    """Download the binary and the images, verified, and the install script of the same tag.

    Raises `StepFailed` for what cannot be had, or is not what the release's checksums say.
    """
    tag = version.replace("+", "%2B")
    listed = f"sha256sum-{arch}.txt"
    download(f"{_RELEASES}/{tag}/{listed}", directory / listed, print)
    sums = parse_checksums((directory / listed).read_text())
    for name in (binary_name(arch), f"k3s-airgap-images-{arch}.tar.zst"):
        download(f"{_RELEASES}/{tag}/{name}", directory / name, print, sha256=sums[name])
    download(f"{_SOURCE}/{tag}/install.sh", directory / "install.sh", print)
    program = directory / binary_name(arch)
    program.chmod(0o755)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m tests.real.fetch MINOR ARCH DIR")
    major, minor = sys.argv[1].split(".")
    fetch(KNOWN.newest[(int(major), int(minor))], sys.argv[2], Path(sys.argv[3]))
