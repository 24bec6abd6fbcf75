"""The disk of an emulated Raspberry Pi: Debian for arm64, built once, cached by its recipe.

No program for arm64 runs on this computer, so `debootstrap` only unpacks here; its second stage is
done by the emulated kernel itself (`second_stage.sh`), at a first boot that ends with the image.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from picluster.engine.shell import shell
from picluster.model.prepare import Prepare
from picluster.paths import cache_home
from picluster.steps.host.packages import K3S_NEEDS
from tests.vm.qemu import Disks, first_boot

SUITE = "trixie"
USER, PASSWORD = "pi", "rasp'b\"erry $HOME"
ADDRESS, GATEWAY, NAME_SERVER = "10.0.2.15", "10.0.2.2", "10.0.2.3"
READY = "picluster: the image is made"

_MIRROR = "http://deb.debian.org/debian"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_KERNEL = "linux-image-arm64"
_INCLUDED = (
    "systemd",
    "systemd-sysv",
    "systemd-zram-generator",
    "dbus",
    "udev",
    "kmod",
    "procps",
    "iproute2",
    "openssh-server",
    "sudo",
    "ca-certificates",
    "openssl",
    "python3",
    "locales",
    "tzdata",
    "busybox-static",
)
_ON_OFFER = (*Prepare().packages, *K3S_NEEDS, "systemd-timesyncd")
# What the kernel needs to see its root; each brings what it depends on, but for what it asks of the
# kernel's cryptography by another name.
_FOR_ROOT = ("crc32c_generic", "virtio_blk", "ext4")
_CMDLINE = "console=ttyAMA0 root=/dev/vda rootfstype=ext4 fsck.repair=yes rootwait"
_RECIPE = ("image.py", "shell/init.sh", "shell/second_stage.sh")
_SIZE = 3 << 30
_BOOT_SIZE = 64 << 20

Report = Callable[[str], None]


def image(report: Report) -> Disks:
    """Return the image, building it if it is not in the user's cache (ten to twenty minutes)."""
    directory = cache_home() / "vm" / f"debian-{recipe_digest()}"
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        unfinished = directory.with_name(f".{directory.name}.{os.getpid()}")
        try:
            _build(unfinished, report)
            unfinished.rename(directory)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return Disks(directory)


def recipe_digest() -> str:
    """Identify what would be built: by the text of this recipe, and what it offers."""
    here = Path(__file__).parent
    texts = [(here / name).read_text() for name in _RECIPE]
    return hashlib.sha256("\0".join([*texts, *_ON_OFFER]).encode()).hexdigest()[:16]


def _build(directory: Path, report: Report) -> None:
    root, packages = directory / "root", directory / "apt"
    directory.mkdir()
    disks = Disks(directory)
    report("unpacking Debian for arm64")
    included = f"--include={','.join(_INCLUDED)}"
    options = ("--foreign", "--arch=arm64", "--variant=minbase", f"--keyring={_KEYRING}", included)
    _run("debootstrap", *options, SUITE, str(root), _MIRROR)
    report("collecting its kernel, and the packages that it will install")
    apt = _Apt(packages)
    _offer(apt.download(_ON_OFFER), root)
    _install_kernel(apt.download([_KERNEL]), root, disks)
    _configure(root, disks.host_key)
    report("making its disks")
    _make_disks(root, disks)
    shutil.rmtree(root)
    shutil.rmtree(packages)
    report("letting it install itself, emulated (ten to twenty minutes)")
    console = first_boot(disks, f"{_CMDLINE} init=/second-stage")
    if READY not in console:
        raise RuntimeError(f"the image did not install itself:\n{console[-3000:]}")


class _Apt:
    """An apt of its own for another architecture, that knows of no installed package."""

    def __init__(self, directory: Path) -> None:
        for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d"):
            (directory / name).mkdir(parents=True)
        for name in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"):
            (directory / name).mkdir(parents=True)
        status = directory / "var/lib/dpkg/status"
        status.touch()
        source = f"deb [arch=arm64 signed-by={_KEYRING}] {_MIRROR} {SUITE} main\n"
        (directory / "etc/apt/sources.list").write_text(source)
        settings = {"Dir": str(directory), "Dir::State::status": str(status)}
        settings |= {"APT::Architecture": "arm64", "APT::Architectures": "arm64"}
        settings |= {"APT::Sandbox::User": "root"}
        self._archives = directory / "var/cache/apt/archives"
        self._apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items())]
        _run(*self._apt, "update")

    def download(self, packages: Iterable[str]) -> list[Path]:
        """Return the archives of the packages and of all they depend on."""
        options = ("install", "-y", "--download-only", "--no-install-recommends")
        before = set(self._archives.glob("*.deb"))
        _run(*self._apt, *options, *packages)
        return sorted(set(self._archives.glob("*.deb")) - before)


def _offer(archives: Iterable[Path], root: Path) -> None:
    """Make a repository in the tree of the archives that its second stage does not install."""
    repository = root / "var/lib/picluster-vm/packages"
    repository.mkdir(parents=True)
    for archive in archives:
        if not (root / "var/cache/apt/archives" / archive.name).exists():
            shutil.copy(archive, repository)
    listed = subprocess.run(
        ["dpkg-scanpackages", "--multiversion", "."],
        cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (repository / "Packages").write_text(listed.stdout)


def _install_kernel(archives: Iterable[Path], root: Path, disks: Disks) -> None:
    """Unpack the kernel's modules into the tree; its image and first programs stay beside it."""
    unpacked = disks.directory / "unpacked"
    (package,) = [each for each in archives if re.match(r"linux-image-\d", each.name)]
    (busybox,) = (root / "var/cache/apt/archives").glob("busybox-static_*.deb")
    for each in (package, busybox):
        _run("dpkg-deb", "-x", str(each), str(unpacked))
    (modules,) = (unpacked / "usr/lib/modules").iterdir()
    shutil.copytree(modules, root / "usr/lib/modules" / modules.name, symlinks=True)
    (kernel,) = (unpacked / "boot").glob("vmlinuz-*")
    shutil.copy(kernel, disks.kernel)
    files = {"init": (Path(__file__).parent / "shell/init.sh").read_bytes()}
    files["bin/busybox"] = (unpacked / "usr/bin/busybox").read_bytes()
    for number, (name, content) in enumerate(_modules(root / "usr/lib/modules").items()):
        files[f"modules/{number:02}-{name}.ko"] = content
    disks.initrd.write_bytes(archive(files))
    shutil.rmtree(unpacked)


def _modules(directory: Path) -> dict[str, bytes]:
    """Return the modules for the root file system, each after those that it depends on."""
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        (path,) = directory.rglob(f"{name.replace('_', '[-_]')}.ko.xz")
        content = lzma.decompress(path.read_bytes())
        (needed,) = re.findall(rb"\0depends=([^\0]*)\0", content)
        for each in filter(None, needed.decode().split(",")):
            if each not in found:
                add(each)
        found[name] = content

    for name in _FOR_ROOT:
        add(name)
    return found


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a cpio archive as the kernel unpacks one: all programs, with their directories."""
    parents = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in sorted(parents)]
    entries += [(name, stat.S_IFREG | 0o755, content) for name, content in files.items()]
    packed = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")]):
        # newc: inode, mode, owners, links, time, size, four device numbers, length of name, sum.
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        packed += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        packed += bytes(-len(packed) % 4) + content
        packed += bytes(-len(packed) % 4)
    return bytes(packed)


def _configure(root: Path, host_key: Path) -> None:
    """Lay down what the second stage runs, and a host key that this computer knows first-hand."""
    script = root / "second-stage"
    settings = {"PI_USER": USER, "PI_PASSWORD": PASSWORD, "READY": READY}
    settings |= {"ADDRESS": ADDRESS, "GATEWAY": GATEWAY, "NAME_SERVER": NAME_SERVER}
    script.write_text("#!/bin/sh\n" + shell(__package__, "second_stage", **settings))
    script.chmod(0o755)
    (root / "boot/firmware").mkdir(parents=True)
    proc = root / "proc"  # in a container, debootstrap makes a link of it
    if proc.is_symlink():
        proc.unlink()
        proc.mkdir()
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(host_key))
    keys = root / "etc/ssh"
    keys.mkdir(exist_ok=True)
    for name in ("", ".pub"):
        shutil.copy(f"{host_key}{name}", keys / f"ssh_host_ed25519_key{name}")


def _make_disks(root: Path, disks: Disks) -> None:
    for path, size in ((disks.root, _SIZE), (disks.boot, _BOOT_SIZE)):
        with path.open("wb") as file:
            file.truncate(size)
    _run("mkfs.ext4", "-q", "-L", "rootfs", "-d", str(root), str(disks.root))
    _run("mkfs.vfat", "-n", "BOOTFS", str(disks.boot))
    disks.write_boot("cmdline.txt", f"{_CMDLINE}\n")
    disks.write_boot("config.txt", "arm_64bit=1\n\n[all]\n")


def _run(*command: str) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout)[-1500:]
        raise RuntimeError(f"building the machine's disk failed at `{command[0]}`:\n{said}")
