"""What makes a node itself: its card, host name, machine id, host keys and the user's key."""

from __future__ import annotations

import os
import secrets
import shutil
from functools import partial
from pathlib import Path

from picluster.lab.commands import attempt, run
from picluster.lab.layout import USER, LabLayout, LabNode
from picluster.lab.waiting import becomes

CARD_SIZE = 16 * 1024**3
"""Bytes of a node's card. The image is sparse: it takes what is written to it."""

_UNMOUNT_SECONDS = 10.0
_USER_ID = 1000  # the first user that Debian makes
_BOUND = ("docker", "rancher", "kubelet")


def flash(lab: LabLayout, node: LabNode) -> None:
    """Give the node a fresh card with an identity of its own; what was on the old one is gone."""
    node.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    node.card.unlink(missing_ok=True)
    if lab.image:
        copy_card(Path(lab.image), node.card)
    else:
        _format(node)
    mount(lab, node)
    try:
        _personalise(lab, node)
    finally:
        unmount(node)


def copy_card(card: Path, to: Path) -> None:
    """Copy a card's image; what is not used of it takes no room."""
    run("cp", "--sparse=always", "--reflink=auto", str(card), str(to))


def _format(node: LabNode) -> None:
    with node.card.open("wb") as image:
        os.truncate(image.fileno(), CARD_SIZE)
    # Without blocks that are kept for root: everything on a node runs as root, and would not notice
    # a full disk.
    run("mkfs.ext4", "-m", "0", "-q", "-F", str(node.card))


def mount(lab: LabLayout, node: LabNode) -> None:
    """Mount the card, and the base tree with the card's changes over it. Idempotent.

    Docker, K3s and the kubelet keep their data on the card itself: they lay overlays of their own,
    and the kernel does not lay one on another.
    """
    for path in (node.disk, node.root):
        path.mkdir(exist_ok=True)
    if not node.disk.is_mount():
        run("mount", "-o", "loop", str(node.card), str(node.disk))
        for name in ("system", "work"):
            (node.disk / name).mkdir(exist_ok=True)
        for name in _BOUND:
            (node.disk / "storage" / name).mkdir(parents=True, exist_ok=True)
    if not node.root.is_mount():
        layers = f"lowerdir={lab.base},upperdir={node.disk}/system,workdir={node.disk}/work"
        run("mount", "-t", "overlay", "-o", layers, "overlay", str(node.root))


def unmount(node: LabNode) -> None:
    """Undo `mount`. Raises `StepFailed` if something of this computer still uses the card."""
    for path in (node.root, node.disk):
        if path.is_mount() and not becomes(partial(_try_unmount, path), _UNMOUNT_SECONDS):
            run("umount", str(path))


def _try_unmount(path: Path) -> bool:
    """A card must not be mounted twice, so it is not let go of while it is in use."""
    return attempt("umount", str(path)).returncode == 0


def binds(node: LabNode) -> list[str]:
    """Return nspawn's options for what lies directly on the card."""
    return [f"--bind={node.disk}/storage/{name}:/var/lib/{name}" for name in _BOUND]


def _personalise(lab: LabLayout, node: LabNode) -> None:
    etc = node.root / "etc"
    (etc / "hostname").write_text(f"{node.name}\n")
    (etc / "hosts").write_text(f"127.0.0.1\tlocalhost\n127.0.1.1\t{node.name}\n")
    (etc / "machine-id").write_text(f"{secrets.token_hex(16)}\n")
    for kind in ("ed25519", "ecdsa"):
        key = etc / f"ssh/ssh_host_{kind}_key"
        key.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{node.name}", "-f", str(key))
    initiator = etc / "iscsi/initiatorname.iscsi"
    if initiator.exists():
        initiator.write_text(f"InitiatorName=iqn.1993-08.org.debian:01:{secrets.token_hex(6)}\n")
    home = node.root / "home" / USER / ".ssh"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(lab.key.with_suffix(".pub"), home / "authorized_keys")
    for path in (home, home / "authorized_keys"):
        os.chown(path, _USER_ID, _USER_ID)


def host_key_lines(node: LabNode) -> str:
    """Return the node's host keys as known_hosts lines; it has to be on."""
    keys: list[Path] = sorted((node.root / "etc/ssh").glob("ssh_host_*_key.pub"))
    return "".join(f"{node.address} {' '.join(key.read_text().split()[:2])}\n" for key in keys)


def make_login_key(lab: LabLayout) -> None:
    """Make the key pair that logs in to every node of the lab."""
    if not lab.key.exists():
        key = ("-t", "ed25519", "-N", "", "-C", f"lab {lab.name}", "-f", str(lab.key))
        run("ssh-keygen", "-q", *key)
