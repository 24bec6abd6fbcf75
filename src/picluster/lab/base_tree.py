"""The Debian that every lab node starts from: built once, cached by a digest of its recipe.

Beside the tree there is a small package repository with all that `prepare` installs, so that apt
really works on the nodes, and without the network: each package is fetched once, not per node.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from picluster.errors import PreflightRefused, UsageError
from picluster.lab.layout import USER
from picluster.lab.swap_tools import SWAPOFF, SWAPON
from picluster.model.prepare import Prepare

SUITE = "bookworm"
"""The release of Debian that nodes have if nothing is said."""

# What Raspberry Pi OS of a release has beside what every node has. It does nothing at a node's boot
# before the file that switches it off is gone.
_OF_SUITE = {SUITE: (), "trixie": ("cloud-init",)}
SUITES = tuple(_OF_SUITE)
_CLOUD_INIT_OFF = "etc/cloud/cloud-init.disabled"

_INCLUDED = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "iproute2",
    "ca-certificates",
    "openssl",
    "udev",
    "kmod",
    "procps",
    "python3",
    "locales",
    "tzdata",
)
# What picluster may install on a node, and a few more to rehearse `prepare.packages` with.
_ON_OFFER = (
    *Prepare().packages,
    "socat",
    "conntrack",
    "ipset",
    "open-iscsi",
    "nfs-common",
    "systemd-timesyncd",
    "cryptsetup",
    "tree",
    "jq",
    "iptables",
    "nftables",
)
# Docker for the registry, and the program that the lab's own registry image is made of. Without
# what they recommend: picluster installs without it, and it would double the download.
_ON_OFFER_BARE = ("docker.io", "docker-registry")
# A node must not run udev: its /sys is this computer's, so that each booting node would have every
# other node handle an event for each of this computer's devices.
_MASKED = (
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
    "systemd-udev-settle.service",
)
# What systemd starts at every boot and every reload of its units, fifteen programs a time, and what
# has nothing to find on a node: they took a fifth of this computer while the lab tests ran.
_MASKED_GENERATORS = tuple(
    f"systemd-{name}-generator"
    for name in (
        *("cryptsetup", "debug", "getty", "gpt-auto", "hibernate-resume", "integritysetup"),
        *("rc-local", "run", "system-update", "sysv", "veritysetup"),
    )
)
# The kernel's messages are this computer's: each node would keep a copy of all of them.
_JOURNAL = "[Journal]\nReadKMsg=no\nAudit=no\n"
_RECIPE_VERSION = 9
REPOSITORY = "var/lib/picluster-lab/packages"
"""Where the local repository lies in a base tree."""

Report = Callable[[str], None]


def recipe_digest(suite: str) -> str:
    """Identify what would be built; another recipe makes another tree."""
    offers = [sorted(set(_ON_OFFER)), sorted(_ON_OFFER_BARE)]
    included = [*_INCLUDED, *_OF_SUITE[suite]]
    recipe = [_RECIPE_VERSION, suite, included, _MASKED, *offers, SWAPON, SWAPOFF]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]


def base_tree(cache: Path, suite: str, report: Report) -> Path:
    """Return the base tree, building it if it is not in `cache` (about a minute).

    Raises `PreflightRefused` with the last lines of what failed, and `UsageError` for a release
    that is not known.
    """
    if suite not in _OF_SUITE:
        raise UsageError(
            f"{suite!r} is no release that nodes can have", fix=f"there are {', '.join(_OF_SUITE)}"
        )
    root = cache / f"base-{recipe_digest(suite)}"
    if root.is_dir():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = cache / f".{root.name}.{os.getpid()}"
    report("building the nodes' Debian, once (a minute or two)")
    try:
        _run(
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join((*_INCLUDED, *_OF_SUITE[suite]))}",
            suite,
            str(unfinished),
        )
        report("collecting the packages that nodes will install")
        _collect_packages(unfinished)
        _configure(unfinished)
        unfinished.rename(root)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return root


def _collect_packages(root: Path) -> None:
    """Download what is on offer with all it depends on, and index it as a local repository."""
    repository = root / REPOSITORY
    repository.mkdir(parents=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    in_tree = ("chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive")
    _run(*in_tree, "apt-get", "update", "-qq")
    download = (*in_tree, "apt-get", "install", "-y", "-qq", "--download-only")
    _run(*download, *sorted(set(_ON_OFFER)))
    _run(*download, "--no-install-recommends", *sorted(_ON_OFFER_BARE))
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.rename(repository / package.name)
    index = _run("dpkg-scanpackages", "--multiversion", ".", cwd=repository)
    (repository / "Packages").write_text(index)


def _configure(root: Path) -> None:
    """Make the tree's apt use the local repository alone, and remove what nodes must not share."""
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:/{REPOSITORY} ./\n")
    for path in (root / "etc/apt/sources.list.d").glob("*"):
        path.unlink()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    _run("chroot", str(root), "useradd", "-m", "-s", "/bin/bash", "-G", "sudo", USER)
    sudoers = root / f"etc/sudoers.d/010_{USER}-nopasswd"
    sudoers.write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    for path in (root / "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    (root / "etc/machine-id").write_text("")
    if (root / _CLOUD_INIT_OFF).parent.is_dir():
        (root / _CLOUD_INIT_OFF).touch()
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    firmware = root / "boot/firmware"
    firmware.mkdir(parents=True, exist_ok=True)
    (firmware / "cmdline.txt").write_text(
        "console=serial0,115200 console=tty1 root=PARTUUID=0badcafe-02 rootfstype=ext4 "
        "fsck.repair=yes rootwait\n"
    )
    (firmware / "config.txt").write_text("# lab node\narm_64bit=1\n\n[all]\n")
    # The kernel offers iSCSI to its own network namespace alone; there, iscsid hangs or crashes.
    drop_in = root / "etc/systemd/system/iscsid.service.d/lab.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Unit]\nConditionVirtualization=!container\n")
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(parents=True, exist_ok=True)
    for generator in _MASKED_GENERATORS:
        (generators / generator).symlink_to("/dev/null")
    journal = root / "etc/systemd/journald.conf.d/lab.conf"
    journal.parent.mkdir(parents=True)
    journal.write_text(_JOURNAL)
    for name, script in (("swapon", SWAPON), ("swapoff", SWAPOFF)):
        tool = root / "usr/local/sbin" / name
        tool.write_text(script)
        tool.chmod(0o755)


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PreflightRefused(
            f"building the lab's Debian failed at `{command[0]}`",
            why="\n".join(done.stderr.strip().splitlines()[-5:]),
            fix="does apt work on this computer (`apt-get update`)?",
        )
    return done.stdout
