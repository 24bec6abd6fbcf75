"""The doctor's checks: which light each gives for what a node may show."""

from __future__ import annotations

import base64

import pytest

from picluster.engine.step import Observation
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.steps.doctor.board import Bootloader, Heat, PageSize, Power, Supply
from picluster.steps.doctor.boot import CgroupVersion, CommandLine, KernelCurrent
from picluster.steps.doctor.disk_speed import DiskSpeed
from picluster.steps.doctor.disks import LogsOnDisk, Room, RootHealth, RootMedium
from picluster.steps.doctor.finding import Check, Finding, Light
from picluster.steps.doctor.network import Iptables, NameServers, NoTwin, Uplink
from picluster.steps.doctor.service import AptIdle, Certificates, K3sService

GIB = 1024**3
NOW = 1_790_000_000
DAY = 86400


def judged(check: Check, *lines: str, **others: str) -> Finding:
    texts = {"pi1": "\n".join(lines)} | others
    survey = {node: {check.name: Observation(out=text)} for node, text in texts.items()}
    return check.judge(Look("pi1", check.name, survey))


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def cmdline(text: str, *more: str, running: str = "cgroup_enable=memory") -> tuple[str, ...]:
    path = "file=/boot/firmware/cmdline.txt"
    return (path, f"text={packed(text)}", f"running={running}", *more)


def room(free: float, of: float, at: str = "/", inodes: tuple[int, int] = (1000, 900)) -> str:
    return f"at={at} {at} {int(of * GIB)} {int(free * GIB)} {inodes[0]} {inodes[1]}"


def unit(state: str, *, restarts: int = 0, journal: str = "") -> tuple[str, ...]:
    shown = ("unit=k3s", f"ActiveState={state}", "SubState=x", f"NRestarts={restarts}")
    return (*shown, f"journal={packed(journal)}")


def fsyncs(**at_most: int) -> tuple[str, ...]:
    """Return etcd's histogram: `ms8=90` says that 90 writes took at most 8 ms."""
    bounds = [f"bucket={int(name[2:]) / 1000} {n}" for name, n in at_most.items()]
    return (*bounds, f"bucket=+Inf {max(at_most.values())}")


def flushes(count: int, milliseconds: int) -> tuple[str, ...]:
    return ("disk=mmcblk0", f"flushes={count}", f"milliseconds={milliseconds}")


def until(days: float, name: str = "client-admin.crt") -> str:
    return f"until={int(NOW + days * DAY)} {name}"


SERVER, AGENT = RootMedium(True, True), RootMedium(False, True)
CARD = ("source=/dev/mmcblk0p2", "kind=ext4", "disk=mmcblk0", "card=SD")
NVME = ("source=/dev/nvme0n1p2", "kind=ext4", "disk=nvme0n1", "bus=nvme")
IPTABLES = "version=iptables v{} (nf_tables)"


@pytest.mark.parametrize(
    ("check", "lines"),
    [
        (Power(), ("throttled=0x0",)),
        (Power(), ("alarm=0",)),
        (Heat(), ("temperature=52582",)),
        (Supply(), ("max_current=00001388", "usb_max_current_enable=00000000")),
        (Supply(), ("max_current=00000bb8", "usb_max_current_enable=00000001")),
        (PageSize(), ("size=4096",)),
        (Bootloader(), ("version=2024/09/23 14:02:56",)),
        (CommandLine(), cmdline("console=tty1 rootwait cgroup_enable=memory\n")),
        (CommandLine(), cmdline("console=tty1 console=serial0,115200 rootwait\n")),
        (KernelCurrent(), ("release=6.12.34+rpt-rpi-2712", "modules=here", "modules_of=others")),
        (KernelCurrent(), ("release=6.12.34", "container=yes", "modules_of=others")),
        (KernelCurrent(), ("release=6.12.34",)),
        (CgroupVersion(), ("kind=cgroup2fs",)),
        (SERVER, NVME),
        (AGENT, CARD),
        (SERVER, ("source=/dev/mmcblk0p2", "kind=ext4", "disk=mmcblk0", "card=MMC")),
        (DiskSpeed(True), fsyncs(ms8=985, ms16=990, ms32=1000)),
        (DiskSpeed(True), (*fsyncs(ms8=1000), *flushes(1000, 30_000))),
        (DiskSpeed(True), fsyncs(ms8=1000)[::-1]),
        (DiskSpeed(True), (*fsyncs(ms8=1, ms1024=3), *flushes(1000, 9_000))),
        (RootHealth(), ("options=rw,noatime,errors=remount-ro",)),
        (Room(), (room(20, 30), room(20, 100, "/var/lib"))),
        (Room(), ("at=/ / 32000000000 20000000000 0 0",)),
        (LogsOnDisk(), ()),
        (LogsOnDisk(), ("kind=ext4", "size=8000000000")),
        (Uplink(True), ("device=eth0", "speed=1000")),
        (NameServers(), ("server=10.0.0.1",)),
        (NameServers(), ("server=127.0.0.53", "upstream=10.0.0.1")),
        (Iptables(), ()),
        (Iptables(), (IPTABLES.format("1.8.9"),)),
        (Iptables(), (IPTABLES.format("1.8.11"),)),
        (Iptables(), ("version=iptables v1.8.9 (legacy)", "legacy=filter")),
        (NoTwin(), ("mac=d8:3a:dd:00:00:01", "password=aa")),
        (AptIdle(), ()),
        (K3sService(), unit("active", journal="level=error msg=slow fdatasync")),
        (Certificates(), (f"now={NOW}", until(300), until(3000, "server-ca.crt"))),
    ],
)
def test_what_is_well_is_ok(check: Check, lines: tuple[str, ...]) -> None:
    found = judged(check, *lines)
    assert found.light is Light.OK, found
    assert not found.fix


@pytest.mark.parametrize(
    ("check", "lines", "light", "says"),
    [
        (Power(), ("throttled=0x50005",), Light.PROBLEM, "under-voltage, throttled"),
        (Power(), ("throttled=0x50000",), Light.WARNING, "under-voltage since boot"),
        (Power(), ("throttled=0x80008",), Light.WARNING, "too hot"),
        (Power(), ("throttled=0x20000",), Light.WARNING, "frequency capped since boot"),
        (Power(), ("alarm=1",), Light.PROBLEM, "alarm"),
        (Heat(), ("temperature=81000",), Light.PROBLEM, "81 °C"),
        (Heat(), ("temperature=72000",), Light.WARNING, "72 °C"),
        (Supply(), ("max_current=00000bb8",), Light.WARNING, "3000 mA"),
        (
            Supply(),
            ("max_current=00001388", "usb_over_current_detected=00000001"),
            Light.PROBLEM,
            "USB took too much",
        ),
        (PageSize(), ("size=16384",), Light.WARNING, "16 KiB"),
        (
            CommandLine(),
            cmdline("console=tty1\ncgroup_enable=memory\n"),
            Light.PROBLEM,
            "has 2 lines",
        ),
        (
            CommandLine(),
            cmdline("cgroup_enable=memory cgroup_enable=memory\n"),
            Light.WARNING,
            "more than once",
        ),
        (
            CommandLine(),
            cmdline("cgroup_enable=memory cgroup_disable=memory\n"),
            Light.PROBLEM,
            "disables it again",
        ),
        (
            CommandLine(),
            cmdline("rootwait cgroup_enable=memory\n", running="rootwait"),
            Light.WARNING,
            "started without it",
        ),
        (
            CommandLine(),
            cmdline("rootwait\n", "stray=/boot/cmdline.txt"),
            Light.WARNING,
            "/boot/cmdline.txt has words of somebody's",
        ),
        (KernelCurrent(), ("release=6.6", "modules_of=others"), Light.PROBLEM, "modules are gone"),
        (KernelCurrent(), ("modules=here", "untried=yes"), Light.WARNING, "waits to be tried"),
        (
            KernelCurrent(),
            ("modules=here", "reboot=yes", "package=linux-image", "package=libc6"),
            Light.WARNING,
            "linux-image, libc6",
        ),
        (CgroupVersion(), ("kind=tmpfs",), Light.WARNING, "tmpfs"),
        (SERVER, CARD, Light.WARNING, "SD card mmcblk0"),
        (DiskSpeed(True), fsyncs(ms8=900, ms16=989, ms32=1000), Light.WARNING, "at most 32 ms"),
        (DiskSpeed(True), fsyncs(ms256=989, ms512=1000), Light.WARNING, "at most 512 ms"),
        (DiskSpeed(True), fsyncs(ms512=989, ms1024=1000), Light.PROBLEM, "at most 1024 ms"),
        (
            DiskSpeed(True),
            ("bucket=8.192 900", "bucket=+Inf 1000"),
            Light.PROBLEM,
            "more than 1 % of etcd's 1000 writes took over 8.192 s",
        ),
        (DiskSpeed(True), flushes(1000, 24_500), Light.WARNING, "mmcblk0 took 24.5 ms"),
        (RootMedium(True, False), CARD, Light.WARNING, "SD card mmcblk0"),
        (SERVER, ("source=nas:/pi1", "kind=nfs4"), Light.PROBLEM, "NFS"),
        (AGENT, ("source=nas:/pi1", "kind=nfs"), Light.WARNING, "NFS"),
        (RootHealth(), ("options=ro,noatime",), Light.PROBLEM, "read-only"),
        (
            RootHealth(),
            ("options=rw", "error=EXT4-fs error (device mmcblk0p2)"),
            Light.PROBLEM,
            "EXT4-fs error",
        ),
        (Room(), (room(1, 30),), Light.PROBLEM, "free in /"),
        (Room(), (room(10, 250),), Light.PROBLEM, "free in /"),
        (Room(), (room(5, 30),), Light.WARNING, "free in /"),
        (Room(), (room(20, 200),), Light.WARNING, "free in /"),
        (Room(), (room(20, 30, inodes=(1000, 40)),), Light.PROBLEM, "40 of 1000 inodes"),
        (
            Room(),
            (room(20, 30), room(0.02, 0.5, "/boot/firmware")),
            Light.WARNING,
            "/boot/firmware",
        ),
        (LogsOnDisk(), ("kind=tmpfs", "size=134217728"), Light.WARNING, "134.2 MB"),
        (Uplink(True), ("device=wlan0", "wireless=yes", "saving=off"), Light.WARNING, "Wi-Fi"),
        (Uplink(False), ("device=wlan0", "wireless=yes", "saving=on"), Light.WARNING, "saves"),
        (NameServers(), (), Light.WARNING, "names no server"),
        (NameServers(), ("server=127.0.0.1", "server=::1"), Light.WARNING, "on the node itself"),
        (NameServers(), ("server=127.0.0.53", "upstream=127.0.0.1"), Light.WARNING, "itself"),
        (NameServers(), [f"server=10.0.0.{n}" for n in range(4)], Light.WARNING, "4 of them"),
        (Iptables(), (IPTABLES.format("1.8.2"),), Light.WARNING, "1.8.2"),
        (Iptables(), (IPTABLES.format("1.8.9"), "legacy=nat"), Light.WARNING, "nat"),
        (AptIdle(), ("busy=dpkg", "busy=apt-get"), Light.WARNING, "apt-get, dpkg"),
        (K3sService(), unit("inactive"), Light.PROBLEM, "inactive"),
        (K3sService(), unit("activating"), Light.WARNING, "activating"),
        (K3sService(), unit("activating", restarts=7), Light.PROBLEM, "restarted 7 times"),
        (K3sService(), unit("failed"), Light.PROBLEM, "failed"),
        (K3sService(), unit("active", restarts=5), Light.WARNING, "restarted 5 times"),
        (Certificates(), (f"now={NOW}", until(-3), until(300)), Light.PROBLEM, "3 days ago"),
        (Certificates(), (f"now={NOW}", until(300), until(9)), Light.WARNING, "in 9 days"),
    ],
)
def test_what_is_not_well_is_told_with_its_fix(
    check: Check, lines: tuple[str, ...], light: Light, says: str
) -> None:
    found = judged(check, *lines)
    assert (found.light, says in found.evidence) == (light, True), found
    assert found.meaning
    assert found.fix
    assert found.held, "it says neither that --fix does it nor why not"


@pytest.mark.parametrize(
    ("check", "lines"),
    [
        (Power(), ("throttled=²",)),
        (Heat(), ("temperature=--5",)),
        (PageSize(), ("size=²",)),
        (CommandLine(), ("file=/boot/cmdline.txt", "text=é")),
        (DiskSpeed(True), ("flushes=²", "milliseconds=²")),
        (DiskSpeed(True), ("bucket=0.008 1e999",)),
        (Room(), ("at=/ / ² 1 1 1",)),
        (LogsOnDisk(), ("kind=tmpfs", "size=²")),
        (K3sService(), ("unit=k3s", "NRestarts=²")),
        (K3sService(), ("unit=k3s", "journal=é")),
        (Certificates(), ("now=²", until(300))),
        (Certificates(), (f"now={NOW}", "until=² ca.crt")),
    ],
)
def test_nonsense_is_said_to_be_unreadable(check: Check, lines: tuple[str, ...]) -> None:
    with pytest.raises(Unreadable):
        judged(check, *lines)


@pytest.mark.parametrize(
    "check",
    [
        Power(),
        Heat(),
        Supply(),
        PageSize(),
        Bootloader(),
        CommandLine(),
        CgroupVersion(),
        DiskSpeed(True),
        DiskSpeed(False),
        RootHealth(),
        Room(),
        Uplink(True),
        K3sService(),
        Certificates(),
    ],
    ids=lambda check: check.name,
)
def test_what_a_node_does_not_have_is_neither_good_nor_bad(check: Check) -> None:
    found = judged(check)
    assert found.light is Light.NOT_APPLICABLE
    assert found.evidence, "it does not say why"


def test_where_no_etcd_runs_its_disk_is_not_judged() -> None:
    check = DiskSpeed(False)
    assert check.probe().text == "true", "it looks for what it does not judge"
    found = judged(check, *fsyncs(ms1024=1000), *flushes(1000, 90_000))
    assert found.light is Light.NOT_APPLICABLE


def test_a_journal_that_is_known_gives_the_cause_and_the_nodes_own_fix() -> None:
    found = judged(K3sService(), *unit("failed", journal="Node password rejected, duplicate\n"))
    assert "re-flashed" in found.meaning
    assert "picluster node replace pi1" in found.fix


def test_of_a_journal_what_k3s_ended_with_is_shown_and_not_what_systemd_said_then() -> None:
    said = 'level=fatal msg="the moon is new"\nFailed to start k3s.service - Lightweight.\n'
    found = judged(K3sService(), *unit("failed", journal=said))
    assert "it last said: the moon is new" in found.evidence


def test_nothing_secret_of_a_journal_is_shown() -> None:
    line = f"joining with K10{'ab' * 32}::server:hunter2hunter2\n"
    assert "hunter2" not in judged(K3sService(), *unit("failed", journal=line)).evidence


@pytest.mark.parametrize(
    ("same", "says"),
    [
        ("mac=d8:3a:dd:00:00:01", "network card address as pi2: d8:3a:dd:00:00:01"),
        ("password=aa", "/etc/rancher/node/password as pi2"),
    ],
)
def test_a_twin_is_seen_beside_the_other(same: str, says: str) -> None:
    found = judged(NoTwin(), "mac=d8:3a:dd:00:00:01", "password=aa", pi2=f"mac=x\n{same}")
    assert found.light is Light.PROBLEM
    assert says in found.evidence


def test_two_nodes_without_k3s_are_no_twins() -> None:
    assert judged(NoTwin(), "mac=x", pi2="mac=y").light is Light.OK


def test_the_boot_order_is_read_from_right_to_left() -> None:
    found = judged(Bootloader(), "version=2025/01/01", "BOOT_ORDER=0xf416")
    assert "NVMe, SD, USB, start again" in found.evidence
