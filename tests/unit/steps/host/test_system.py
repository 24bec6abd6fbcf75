"""Names, swap, kernel and services: what is seen, and what follows from it."""

from __future__ import annotations

import base64
import subprocess

import pytest
from tests.unit.steps.looking import decide

from picluster.engine.step import Blocked, Change, Run, Satisfied, Step, WriteFile
from picluster.steps.host.drop_ins import (
    MULTIPATH_LEAVES_LONGHORN_ALONE,
    cloud_init_leaves_names,
)
from picluster.steps.host.kernel import ModulesLoaded, SysctlsInForce
from picluster.steps.host.naming import (
    Hostname,
    SystemLocale,
    Timezone,
)
from picluster.steps.host.packages import PACKAGES
from picluster.steps.host.services import IscsiDaemon, TimeSync
from picluster.steps.host.swap import SwapOff

MODULES = ModulesLoaded(("overlay", "vxlan"), ("iscsi_tcp",))
SYSCTLS = SysctlsInForce({"net.ipv4.ip_forward": "1", "net.ipv4.tcp_rmem": "1 2 3"})
CLOUD = base64.b64encode(
    b"# Written by picluster.\npreserve_hostname: true\nmanage_etc_hosts: false\n"
).decode()
MULTIPATH = base64.b64encode(
    b'# Written by picluster.\nblacklist {\n    device {\n        vendor "IET"\n'
    b'        product "VIRTUAL-DISK"\n    }\n}\n'
).decode()


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (Hostname("pi1"), ("now=pi1", "boot=pi1")),
        (cloud_init_leaves_names(keep_hostname=True), ()),
        (cloud_init_leaves_names(keep_hostname=True), ("installed=yes", f"text={CLOUD}")),
        (Timezone("Etc/UTC"), ("zone=Etc/UTC", "wanted=Etc/UTC")),
        (SystemLocale("en_GB.UTF-8"), ("lang=en_GB.UTF-8", "known=en_GB.utf8")),
        (SystemLocale("C.UTF-8"), ("lang=C.UTF-8",)),
        (SwapOff(), ()),
        (MODULES, ("there=overlay", "there=vxlan", "there=iscsi_tcp")),
        (SYSCTLS, ("net.ipv4.ip_forward=1", "net.ipv4.tcp_rmem=1 2 3")),
        (IscsiDaemon(), ("enabled=enabled", "active=active")),
        (MULTIPATH_LEAVES_LONGHORN_ALONE, ()),
        (MULTIPATH_LEAVES_LONGHORN_ALONE, ("installed=yes", f"text={MULTIPATH}")),
        (TimeSync(), ("unit=systemd-timesyncd enabled active yes", "synchronised=yes")),
        (
            TimeSync(),
            (
                "unit=chrony enabled active yes",
                "unit=systemd-timesyncd x inactive yes",
                "synchronised=yes",
            ),
        ),
    ],
)
def test_what_is_so_is_left_alone(step: Step, lines: tuple[str, ...]) -> None:
    decision = decide(step, *lines)
    assert isinstance(decision, Satisfied)
    assert decision.warning == ""


@pytest.mark.parametrize(
    ("step", "lines", "reason", "does"),
    [
        (Hostname("pi1"), ("now=raspberrypi", "boot=pi1"), "it is raspberrypi", "hostname pi1"),
        (Hostname("pi1"), ("now=pi1", "boot=old"), "it would be old", "hostname pi1"),
        (cloud_init_leaves_names(keep_hostname=False), ("installed=yes",), "cloud-init", ""),
        (
            Timezone("Etc/UTC"),
            ("zone=Europe/Berlin", "wanted=Etc/UTC"),
            "it is Europe/Berlin",
            "ln -sfn",
        ),
        (SystemLocale("en_GB.UTF-8"), ("lang=C",), "not generated", "en_GB.UTF-8 UTF-8"),
        (SwapOff(), ("on=/dev/zram0",), "/dev/zram0 is on", "swapoff -a"),
        (SwapOff(), ("provider=fstab",), "fstab turns it on", "/etc/fstab.picluster-backup"),
        (SwapOff(), ("provider=rpi-swap",), "rpi-swap turns it on", "Mechanism=none"),
        (SwapOff(), ("provider=rpi-swap",), "rpi-swap turns it", "stop rpi-zram-writeback.timer"),
        (SwapOff(), ("provider=dphys-swapfile",), "dphys", "dphys-swapfile uninstall"),
        (SwapOff(), ("provider=zram-tools",), "zram-tools", "--now zramswap"),
        (SwapOff(), ("provider=zram-generator",), "zram-gen", "zram-generator.conf"),
        (SwapOff(), ("unit=a.swap",), "a.swap turns it on", "disable --now -- a.swap"),
        (MODULES, ("there=overlay", "can=vxlan", "there=iscsi_tcp"), "not loaded", "modprobe"),
        (SYSCTLS, ("net.ipv4.tcp_rmem=1 2 3",), "ip_forward is not there", "ip_forward=1"),
        (SYSCTLS, ("net.ipv4.ip_forward=1", "net.ipv4.tcp_rmem=0"), "is 0", "'net.ipv4.tcp"),
        (IscsiDaemon(), ("enabled=disabled", "active=inactive"), "not enabled", "start iscsid"),
        (MULTIPATH_LEAVES_LONGHORN_ALONE, ("installed=yes",), "take Longhorn", "reload"),
        (TimeSync("ntpsec"), (), "no time daemon is installed", "start ntpsec"),
        (TimeSync(), ("unit=chrony disabled inactive no",), "does not run", "start chrony"),
    ],
)
def test_what_is_not_so_is_changed(
    step: Step, lines: tuple[str, ...], reason: str, does: str
) -> None:
    decision = decide(step, *lines)
    assert isinstance(decision, Change)
    assert decision.retry_safe
    assert reason in decision.reason
    assert does in "".join(action.script for action in decision.actions if isinstance(action, Run))


@pytest.mark.parametrize(
    ("step", "lines", "warning"),
    [
        (MODULES, ("there=overlay", "there=vxlan"), "Longhorn"),
        (MODULES, ("modules=none", "there=overlay"), "vxlan, iscsi_tcp"),
        (IscsiDaemon(), ("enabled=enabled", "active=inactive", "ConditionResult=no"), "container"),
        (IscsiDaemon(), ("enabled=enabled", "active=failed", "Result=exit-code"), "exit-code"),
        (TimeSync(), ("unit=ntpsec enabled active yes", "synchronised=no"), "no time server"),
        (TimeSync(), ("unit=systemd-timesyncd enabled inactive no",), "container"),
    ],
)
def test_what_cannot_be_changed_here_is_told(
    step: Step, lines: tuple[str, ...], warning: str
) -> None:
    decision = decide(step, *lines)
    assert isinstance(decision, Satisfied)
    assert warning in decision.warning


@pytest.mark.parametrize(
    ("lines", "fix"),
    [
        (("there=overlay",), "linux-modules-extra-raspi"),
        (("there=vxlan",), "extra modules"),
        (("there=overlay", "modules=other than for 6.6"), "reboot it"),
    ],
)
def test_a_module_that_k3s_cannot_do_without_is_refused(lines: tuple[str, ...], fix: str) -> None:
    decision = decide(MODULES, *lines)
    assert isinstance(decision, Blocked)
    assert fix in decision.fix


def test_a_kernel_without_wireguard_is_refused_with_another_backend_as_the_way_out() -> None:
    decision = decide(ModulesLoaded(("overlay", "wireguard")), "there=overlay")
    assert isinstance(decision, Blocked)
    assert "flannel_backend: vxlan" in decision.fix


def test_a_fresh_node_is_told_that_iscsid_comes_with_its_package() -> None:
    decision = decide(IscsiDaemon(), "enabled=", "active=inactive", planned=(PACKAGES,))
    assert isinstance(decision, Change)
    assert decision.reason == "open-iscsi is still to be installed"


def test_swap_made_by_an_unknown_generator_is_masked_for_the_next_boot() -> None:
    decision = decide(SwapOff(), "on=/dev/sda3")
    assert isinstance(decision, Change)
    assert isinstance(decision.actions[0], Run)
    assert "systemctl mask" in decision.actions[0].script


@pytest.mark.parametrize(
    "step",
    [
        *(
            Hostname("pi1"),
            cloud_init_leaves_names(keep_hostname=True),
            Timezone("Etc/UTC"),
            SystemLocale("C"),
        ),
        *(SwapOff(), MODULES, SYSCTLS, IscsiDaemon(), TimeSync(), MULTIPATH_LEAVES_LONGHORN_ALONE),
    ],
    ids=lambda step: step.name,
)
def test_probes_are_posix_shell(step: Step) -> None:
    probe = step.probe()
    text = getattr(probe, "text", "")
    assert text
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_a_program_that_is_there_is_told_and_reads_it_at_once() -> None:
    decision = decide(MULTIPATH_LEAVES_LONGHORN_ALONE, "installed=yes")
    assert isinstance(decision, Change)
    assert decision.actions == (
        WriteFile("/etc/multipath/conf.d/longhorn.conf", base64.b64decode(MULTIPATH).decode()),
        Run("systemctl try-reload-or-restart multipathd || true"),
    )


def test_cloud_init_keeps_its_hand_off_a_host_name_only_if_it_is_ours() -> None:
    decision = decide(
        cloud_init_leaves_names(keep_hostname=False), "installed=yes", f"text={CLOUD}"
    )
    assert isinstance(decision, Change)
    assert decision.actions == (
        WriteFile(
            "/etc/cloud/cloud.cfg.d/99-picluster.cfg",
            "# Written by picluster.\nmanage_etc_hosts: false\n",
        ),
    )
