"""What the doctor's probes make of the tools of a Pi: doubles of those print what real ones do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.doubles.tool_doubles import run_with

from picluster.engine.step import Observation
from picluster.engine.survey import Look
from picluster.steps.doctor.board import Bootloader, PageSize, Power
from picluster.steps.doctor.disk_speed import DiskSpeed
from picluster.steps.doctor.disks import Room, RootHealth, RootMedium
from picluster.steps.doctor.finding import Check, Finding, Light
from picluster.steps.doctor.network import Iptables, NoTwin, Uplink
from picluster.steps.doctor.service import Certificates, K3sService

DMESG = """\
[    3.1] mmc0: new ultra high speed DDR50 SDHC card at address aaaa
[  812.4] mmc0: timeout waiting for hardware interrupt.
[  812.9] I/O error, dev mmcblk0, sector 8192 op 0x1:(WRITE) flags 0x800
"""
VCGENCMD = """\
case $1 in
  get_throttled) echo throttled=0x50005 ;;
  bootloader_version) printf '2024/09/23 14:02:56\\nversion 26826259 (release)\\n' ;;
  bootloader_config) printf '[all]\\nBOOT_UART=1\\nBOOT_ORDER=0xf461\\n' ;;
esac
"""
IP = """\
case "$*" in
  *route*) echo 'default via 10.0.0.1 dev eth9 proto dhcp src 10.0.0.11 metric 100' ;;
  *link*)
    echo '1: lo: <LOOPBACK,UP> mtu 65536 state UNKNOWN \\\\    link/loopback 00:00:00:00:00:00'
    echo '2: eth0: <UP> mtu 1500 state UP \\\\    link/ether d8:3a:dd:00:00:01 brd ff'
    echo '5: cni0: <UP> mtu 1450 state UP \\\\    link/ether 3a:00:00:00:00:09 brd ff'
    ;;
esac
"""
SYSTEMCTL = """\
case "$*" in
  *LoadState*k3s-agent) echo not-found ;;
  *LoadState*k3s) echo loaded ;;
  *) printf 'ActiveState=failed\\nSubState=failed\\nNRestarts=4\\nResult=exit-code\\n' ;;
esac
"""
FINDMNT = """\
case "$*" in
  *OPTIONS*) echo rw,noatime ;;
  *SOURCE*) echo '/dev/mmcblk0p2[/@root]' ;;
  *) echo btrfs ;;
esac
"""
CURL = """\
case "$*" in *" --noproxy * http://127.0.0.1:2381/metrics") ;; *) exit 7 ;; esac
cat <<'E'
# TYPE etcd_disk_wal_fsync_duration_seconds histogram
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.008"} 120
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.032"} 1.2e+06
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 1.2e+06
etcd_disk_wal_fsync_duration_seconds_sum 24000
E
"""
LSBLK = """\
case "$*" in
  *TRAN*) echo mmc ;;
  *mmcblk0p2) printf 'mmcblk0p2 part\\nmmcblk0 disk\\n' ;;
  *) exit 32 ;;
esac
"""


def seen(check: Check, tools: Path, **doubles: str) -> Finding:
    """Run the check's probe with these tools in front of the machine's own, and judge."""
    return judged(check, check.probe().text, tools, **doubles)


def judged(check: Check, script: str, tools: Path, **doubles: str) -> Finding:
    """Run a script with these tools in front of the machine's own, and judge what it prints."""
    done = run_with(tools, script, **doubles)
    observation = Observation(done.returncode, done.stdout, done.stderr)
    return check.judge(Look("pi1", check.name, {"pi1": {check.name: observation}}))


NO_CONTAINER = "exit 1\n"


@pytest.mark.parametrize(
    ("check", "doubles", "light", "says"),
    [
        (Power(), {"vcgencmd": VCGENCMD}, Light.PROBLEM, "throttled=0x50005: under-voltage"),
        (
            Power(),
            {"vcgencmd": "echo 'VCHI initialization failed' >&2; exit 255"},
            Light.NOT_APPLICABLE,
            "vcgencmd",
        ),
        (
            Bootloader(),
            {"vcgencmd": VCGENCMD},
            Light.OK,
            "2024/09/23 14:02:56, BOOT_ORDER=0xf461: SD, NVMe, USB, start again",
        ),
        (PageSize(), {"getconf": "echo 16384"}, Light.WARNING, "16 KiB"),
        (
            RootMedium(True, True),
            {"findmnt": FINDMNT, "lsblk": LSBLK},
            Light.OK,  # /sys of this machine has no card that could be looked at
            "mmcblk0, mmc",
        ),
        (
            DiskSpeed(True),
            {"curl": CURL, "systemd_detect_virt": "exit 0\n"},
            Light.WARNING,
            "99 % of etcd's 1200000 writes took at most 32 ms",
        ),
        (
            RootHealth(),
            {"dmesg": f"cat <<'E'\n{DMESG}E\n", "systemd_detect_virt": NO_CONTAINER}
            | {"findmnt": FINDMNT},
            Light.PROBLEM,
            "mmc0: timeout waiting for hardware interrupt.; [  812.9] I/O error",
        ),
        (
            RootHealth(),
            {"dmesg": f"cat <<'E'\n{DMESG}E\n", "systemd_detect_virt": "exit 0\n"}
            | {"findmnt": FINDMNT},
            Light.OK,
            "",
        ),
        (
            Room(),
            {
                "df": "echo head\ncase $1 in -Pi) echo /dev/sda2 1000 990 10 99% / ;; "
                "*) echo /dev/sda2 32000000000 1 31000000000 1% / ;; esac"
            },
            Light.PROBLEM,
            "10 of 1000 inodes free in /",
        ),
        (Uplink(True), {"ip": IP}, Light.OK, "eth9"),
        (NoTwin(), {"ip": IP}, Light.OK, "d8:3a:dd:00:00:01"),
        (
            Iptables(),
            {"iptables": "echo 'iptables v1.8.2 (nf_tables)'"},
            Light.WARNING,
            "iptables v1.8.2",
        ),
        (
            K3sService(),
            {"systemctl": SYSTEMCTL, "journalctl": "echo 'msg=\"failed to find memory cgroup\"'"},
            Light.PROBLEM,
            "k3s is failed (failed), restarted 4 times",
        ),
    ],
)
def test_a_probe_reads_what_the_tools_print(
    check: Check, doubles: dict[str, str], light: Light, says: str, tmp_path: Path
) -> None:
    found = seen(check, tmp_path / "tools", **doubles)
    assert (found.light, says in found.evidence) == (light, True), found


def test_only_the_nodes_own_card_counts_as_its_address(tmp_path: Path) -> None:
    assert seen(NoTwin(), tmp_path / "tools", ip=IP).evidence == "d8:3a:dd:00:00:01"


@pytest.mark.parametrize(
    ("virtual", "light", "says"),
    [
        (NO_CONTAINER, Light.WARNING, "mmcblk0 took 20 ms for a flush"),
        ("exit 0\n", Light.NOT_APPLICABLE, "neither etcd nor the kernel"),  # its host's disk
    ],
)
def test_the_kernels_count_of_flushes_is_read_outside_of_containers(
    virtual: str, light: Light, says: str, tmp_path: Path
) -> None:
    stat = tmp_path / "sys" / "mmcblk0" / "stat"
    stat.parent.mkdir(parents=True)
    stat.write_text("  " + " ".join(str(field) for field in (*range(1, 16), 400, 8000)) + "\n")
    check = DiskSpeed(True)
    script = check.probe().text.replace("/sys/block", str(tmp_path / "sys"))
    doubles = {"curl": "exit 7\n", "systemd_detect_virt": virtual}
    found = judged(check, script, tmp_path / "tools", **doubles, findmnt=FINDMNT, lsblk=LSBLK)
    assert (found.light, says in found.evidence) == (light, True), found


def test_the_end_of_a_certificate_is_read(tmp_path: Path) -> None:
    made = tmp_path / "server" / "tls"
    made.mkdir(parents=True)
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9"
    files = ["-keyout", "/dev/null", "-out", str(made / "client-admin.crt")]
    subprocess.run([*command.split(), *files, "-subj", "/CN=test"], check=True, capture_output=True)
    check = Certificates()
    script = check.probe().text.replace("/var/lib/rancher/k3s", str(tmp_path))
    found = judged(check, script, tmp_path / "tools")
    assert found.light is Light.WARNING
    assert re.search("client-admin.crt expires in [89] days", found.evidence), found
