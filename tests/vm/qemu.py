"""An emulated arm64 machine whose reboots are true, and the firmware that reads its boot partition.

QEMU ends whenever the machine resets, and is started again with the command line that the boot
partition has by then. Its network reaches nothing but this computer's loopback address, and only
what is forwarded from there.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from picluster.lab.firmware import kernel_command_line, memory_cgroup_enabled

HOST = "127.19.7.1"
"""Where this computer finds the machine; its ports are the machine's own."""

_PORTS = (22, 6443)
_FIRST_BOOT_SECONDS = 5400.0
_BOOT_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Disks:
    """The files of a machine: its disks, and the kernel that its firmware would load."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "root.img"

    @property
    def boot(self) -> Path:
        """The boot partition, a FAT as on a Pi."""
        return self.directory / "boot.img"

    @property
    def kernel(self) -> Path:
        return self.directory / "kernel.img"

    @property
    def initrd(self) -> Path:
        return self.directory / "initramfs.img"

    @property
    def host_key(self) -> Path:
        return self.directory / "ssh_host_key"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    def copy_to(self, directory: Path) -> Disks:
        """Flash another card with the same."""
        directory.mkdir(parents=True)
        copy = Disks(directory)
        for source, target in ((self.root, copy.root), (self.boot, copy.boot)):
            subprocess.run(["cp", "--sparse=always", source, target], check=True)
        for source, target in ((self.kernel, copy.kernel), (self.initrd, copy.initrd)):
            target.symlink_to(source)
        for end in ("", ".pub"):
            shutil.copy(f"{self.host_key}{end}", f"{copy.host_key}{end}")
        return copy

    def read_boot(self, name: str) -> str:
        """Return a file of the boot partition; the machine has to be off."""
        command = ["mtype", "-i", str(self.boot), f"::{name}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def write_boot(self, name: str, text: str) -> None:
        """Write a file of the boot partition; the machine has to be off."""
        command = ["mcopy", "-o", "-i", str(self.boot), "-", f"::{name}"]
        subprocess.run(command, input=text, text=True, check=True)


def kernel_line(cmdline_txt: str) -> str:
    """Return what the kernel is told, for one that is not Raspberry Pi's.

    Debian's kernel knows `cgroup_disable=memory`, which the firmware says first, and not
    `cgroup_enable=memory`, which takes that back in a Pi's kernel; so it is taken back here.
    """
    line = kernel_command_line(cmdline_txt)
    if not memory_cgroup_enabled(line):
        return line
    return " ".join(word for word in line.split() if word != "cgroup_disable=memory")


def first_boot(disks: Disks, command_line: str) -> str:
    """Run the machine until it resets; return what it wrote to its console."""
    machine = _start(disks, command_line, "utc")
    try:
        machine.wait(_FIRST_BOOT_SECONDS)
    finally:
        _end(machine)
    console = disks.console.read_text(errors="replace")
    disks.console.unlink()
    return console


@dataclass(slots=True)
class Machine:
    """A machine with its own kernel; `boots` says what each boot told that."""

    disks: Disks
    boots: list[str] = field(default_factory=list)
    _qemu: subprocess.Popen[bytes] | None = None
    _firmware: threading.Thread | None = None
    _on: threading.Event = field(default_factory=threading.Event)

    def power_on(self, clock: str = "utc") -> float:
        """Switch it on, its clock at `clock` (`utc`, or a time); return the seconds to sshd."""
        self._on.set()
        self._firmware = threading.Thread(target=self._boot_again_and_again, args=(clock,))
        self._firmware.start()
        return self.wait(len(self.boots) + 1)

    def cut_power(self) -> None:
        """End it as it stands: what it has not written to its disks is lost."""
        self._on.clear()
        if self._qemu is not None:
            _end(self._qemu)
        if self._firmware is not None:
            self._firmware.join()

    def wait(self, boot: int) -> float:
        """Wait until sshd answers at its so many-th boot; return how many seconds that took."""
        began = time.monotonic()
        self._until(lambda: len(self.boots) >= boot, began)
        self._until(_answers, began)
        return time.monotonic() - began

    def _until(self, happened: Callable[[], bool], began: float) -> None:
        while not happened():
            alive = self._firmware is not None and self._firmware.is_alive()
            if not alive or time.monotonic() > began + _BOOT_SECONDS:
                said = self.disks.console.read_text(errors="replace")[-2000:]
                raise AssertionError(f"the machine does not come up; its console:\n{said}")
            time.sleep(0.5)

    def _boot_again_and_again(self, clock: str) -> None:
        while self._on.is_set():
            line = kernel_line(self.disks.read_boot("cmdline.txt"))
            self._qemu = _start(self.disks, line, clock)
            self.boots.append(line)
            if self._qemu.wait() != 0:
                return


def _answers() -> bool:
    """Whether sshd says who it is: QEMU itself takes connections before the machine listens."""
    try:
        with socket.create_connection((HOST, 22), timeout=5) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _start(disks: Disks, command_line: str, clock: str) -> subprocess.Popen[bytes]:
    forwards = "".join(f",hostfwd=tcp:{HOST}:{port}-:{port}" for port in _PORTS)
    command = [
        "nice",
        "-n1",
        "qemu-system-aarch64",
        "-M",
        "virt",
        "-cpu",
        "cortex-a72",
        "-smp",
        "2",
    ]
    command += ["-m", "1536", "-accel", "tcg,thread=multi", "-nodefaults", "-display", "none"]
    command += ["-no-reboot", "-rtc", f"base={clock}"]
    command += ["-kernel", str(disks.kernel), "-initrd", str(disks.initrd)]
    command += ["-append", command_line, "-device", "virtio-rng-pci"]
    command += ["-chardev", f"file,id=console,path={disks.console},append=on"]
    command += ["-serial", "chardev:console"]
    for name, path in (("root", disks.root), ("boot", disks.boot)):
        command += ["-drive", f"file={path},format=raw,if=none,id={name},cache=unsafe"]
        command += ["-device", f"virtio-blk-pci,drive={name}"]
    command += ["-netdev", f"user,id=cable,restrict=on{forwards}"]
    command += ["-device", "virtio-net-pci,netdev=cable,romfile="]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def _end(qemu: subprocess.Popen[bytes]) -> None:
    qemu.kill()
    qemu.wait()
