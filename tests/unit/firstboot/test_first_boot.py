"""What a freshly flashed card is given, and that nothing on it is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.tool_doubles import run_with
from typer.testing import CliRunner

from picluster.cli.app import app
from picluster.errors import PiclusterError
from picluster.firstboot.card import boot_line, write_card
from picluster.firstboot.cloud_init import meta_data, user_data
from picluster.model import Cluster, parse
from picluster.steps.access.own_key import make_key
from picluster.steps.host.boot import with_memory_cgroup

FILE = """\
name: home
domain: home.lan
ssh: {user: pi, key: id}
prepare: {timezone: Europe/Lisbon}
nodes: [{name: pi1, address: 10.0.0.11, role: server}]
"""
KEY = "ssh-ed25519 AAAA"
# pi-gen's own, with what its initramfs and Raspberry Pi Imager add for Wi-Fi.
LINE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=0badcafe-02 rootfstype=ext4 fsck.repair=yes "
    "rootwait resize cfg80211.ieee80211_regdom=PT\n"
)
HOSTS = "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n"


def cluster(text: str = FILE) -> Cluster:
    return parse(text).cluster


def document(text: str = FILE) -> dict[str, Any]:
    found = cluster(text)
    written = user_data(found, found.nodes[0], "pi", KEY)
    assert written.startswith("#cloud-config\n"), "cloud-init ignores it otherwise"
    return yaml.safe_load(written)  # type: ignore[no-any-return]


def test_the_card_knows_its_name_its_user_and_the_key_and_no_password() -> None:
    found = document()
    assert (found["hostname"], found["fqdn"]) == ("pi1", "pi1.home.lan")
    assert found["timezone"] == "Europe/Lisbon"
    (user,) = found["users"]
    assert user["name"] == "pi"
    assert user["ssh_authorized_keys"] == [KEY]
    assert user["lock_passwd"] is True
    assert found["ssh_pwauth"] is False


def test_what_the_file_does_not_say_is_left_to_the_image() -> None:
    bare = document("name: a\nnodes: [{name: pi1, address: 10.0.0.1, role: server}]\n")
    assert not {"fqdn", "timezone", "locale"} & bare.keys()


def test_each_node_with_each_of_its_settings_is_an_instance_of_its_own() -> None:
    """cloud-init does nothing for an instance that it knows, as after a boot with a wrong key."""
    found = cluster()
    assert yaml.safe_load(meta_data(found, found.nodes[0], "settings")) == {
        "dsmode": "local",
        "instance-id": "picluster-home-pi1-cde0fb0d",
        "local-hostname": "pi1",
    }
    assert meta_data(found, found.nodes[0], "others") != meta_data(
        found, found.nodes[0], "settings"
    )


def test_nothing_waits_for_a_keyboard() -> None:
    """cloud-init's last stage, with all of `runcmd`, comes after the wizard for the first user."""
    (command,) = document()["bootcmd"]
    assert command == [
        "sh",
        "-c",
        "systemctl disable --now --no-block userconfig 2>/dev/null || true",
    ]


def first_boot(here: Path, memory: str = "yes", **tools: str) -> None:
    """Run what a node runs at its first boot, with its files below `here`."""
    (command,) = document()["runcmd"]
    assert command[:2] == ["sh", "-c"]
    script = (
        command[2].replace("/boot/firmware/", f"{here}/").replace("/etc/hosts", f"{here}/hosts")
    )
    script = script.replace("/run/picluster-reboot", f"{here}/reboot")
    script = script.replace("OWNER=pi", f"OWNER=pi\nMEMORY_CGROUP='echo memory={memory}'")
    tools = {"systemctl": "", "uname": "echo pi1", **tools}
    for name, text in (("cmdline.txt", LINE), ("hosts", HOSTS)):
        (here / name).write_text(text)
    done = run_with(here / "tools", script, **tools)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("memory", ["no", "yes"])
def test_the_first_boot_switches_the_memory_cgroup_on_where_it_is_off(
    tmp_path: Path, memory: str
) -> None:
    first_boot(tmp_path, memory)
    changed = " cgroup_enable=memory cgroup_memory=1" if memory == "no" else ""
    assert (tmp_path / "cmdline.txt").read_text() == f"{LINE.strip()}{changed}\n"
    assert (tmp_path / "reboot").exists() is bool(changed)


def test_the_first_boot_ends_raspberry_pi_oss_wait_for_a_user_and_its_own_name(
    tmp_path: Path,
) -> None:
    first_boot(tmp_path, **{"cancel-rename": f'echo "$@" >{tmp_path}/told'})
    assert (tmp_path / "told").read_text() == "pi\n"
    assert (tmp_path / "hosts").read_text() == "127.0.0.1\tlocalhost\n127.0.1.1 pi1\n"


def test_files_that_were_on_the_card_are_kept(tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text("theirs")
    (tmp_path / "cmdline.txt").write_text(LINE)
    said = write_card(tmp_path, {"user-data": "ours"})
    assert (tmp_path / "user-data").read_text() == "ours"
    assert (tmp_path / "user-data.before-picluster").read_text() == "theirs"
    assert (tmp_path / "cmdline.txt").read_text() == boot_line(LINE)
    assert (tmp_path / "cmdline.txt.before-picluster").read_text() == LINE
    assert any("user-data: written" in line for line in said)


def test_a_card_whose_kernel_line_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "cmdline.txt").write_bytes(b"console=tty1 \xff\xfe\n")
    with pytest.raises(PiclusterError, match="it is not text"):
        write_card(tmp_path, {"user-data": "ours"})


def test_a_second_time_changes_nothing_and_a_third_keeps_every_copy(tmp_path: Path) -> None:
    write_card(tmp_path, {"user-data": "one"})
    assert write_card(tmp_path, {"user-data": "one"}) == [f"{tmp_path}/user-data: as it should be"]
    write_card(tmp_path, {"user-data": "two"})
    write_card(tmp_path, {"user-data": "three"})
    assert (tmp_path / "user-data.before-picluster").read_text() == "one"
    assert (tmp_path / "user-data.before-picluster-2").read_text() == "two"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (LINE, f"{LINE.strip()} cgroup_enable=memory cgroup_memory=1\n"),
        ("quiet ds=nocloud;i=rpi-imager-1", "quiet cgroup_enable=memory cgroup_memory=1\n"),
        ("ds=nocloud-net;s=http://seed/ quiet", "quiet cgroup_enable=memory cgroup_memory=1\n"),
        (
            "init=/usr/lib/raspberrypi-sys-mods/firstboot systemd.unit=kernel-command-line.target",
            "init=/usr/lib/raspberrypi-sys-mods/firstboot systemd.unit=kernel-command-line.target "
            "cgroup_enable=memory cgroup_memory=1\n",
        ),
    ],
    ids=["Trixie's", "Imager's instance", "another seed", "Bookworm's first boot"],
)
def test_the_kernels_line_keeps_all_but_another_instance(theirs: str, ours: str) -> None:
    assert boot_line(theirs) == ours


@given(st.lists(st.sampled_from(["a=b", "quiet", "cgroup_enable=memory", "cgroup_memory=1", "\n"])))
def test_the_kernels_line_stays_one_line_and_is_stable(words: list[str]) -> None:
    once = with_memory_cgroup(" ".join(words))
    assert once.count("\n") == 1
    assert with_memory_cgroup(once) == once


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.yaml").write_text(FILE)
    private, public = make_key()
    (tmp_path / "id").write_text(private)
    (tmp_path / "id.pub").write_text(public)
    return tmp_path


def test_the_command_writes_the_files_of_a_node(home: Path) -> None:
    done = CliRunner().invoke(app, ["image", "pi1"])
    assert done.exit_code == 0, done.output
    written = (home / "first-boot/pi1/user-data").read_text()
    assert " ".join((home / "id.pub").read_text().split()[:2]) in written
    assert "PRIVATE" not in written
    assert "first-boot/pi1/user-data: written" in done.output
