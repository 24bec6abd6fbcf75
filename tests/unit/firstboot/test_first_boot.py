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
from picluster.firstboot.card import write_card
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


def test_each_node_is_an_instance_of_its_own() -> None:
    found = cluster()
    assert yaml.safe_load(meta_data(found, found.nodes[0])) == {
        "instance-id": "picluster-home-pi1",
        "local-hostname": "pi1",
    }


@pytest.mark.parametrize("there", ["memory=no", "memory=yes"])
def test_the_first_boot_switches_the_memory_cgroup_on_where_it_is_off(
    tmp_path: Path, there: str
) -> None:
    (command,) = document()["runcmd"]
    assert command[:2] == ["sh", "-c"]
    (tmp_path / "cmdline.txt").write_text("console=tty1 root=PARTUUID=1\n")
    script = command[2].replace("/boot/firmware/cmdline.txt", str(tmp_path / "cmdline.txt"))
    script = script.replace("/run/picluster-reboot", str(tmp_path / "reboot"))
    cgroups = f"MEMORY_CGROUP='echo {there}'\nsystemctl enable"
    script = script.replace("systemctl enable", cgroups, 1)
    done = run_with(tmp_path / "tools", script, systemctl="")
    assert done.returncode == 0, done.stderr
    changed = " cgroup_enable=memory cgroup_memory=1" if there == "memory=no" else ""
    line = f"console=tty1 root=PARTUUID=1{changed}\n"
    assert (tmp_path / "cmdline.txt").read_text() == line
    assert (tmp_path / "reboot").exists() is bool(changed)


def test_files_that_were_on_the_card_are_kept(tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text("theirs")
    (tmp_path / "cmdline.txt").write_text("console=tty1 root=PARTUUID=1\n")
    said = write_card(tmp_path, {"user-data": "ours"})
    assert (tmp_path / "user-data").read_text() == "ours"
    assert (tmp_path / "user-data.before-picluster").read_text() == "theirs"
    words = (tmp_path / "cmdline.txt").read_text().split()
    assert words[:2] == ["console=tty1", "root=PARTUUID=1"]
    assert "cgroup_enable=memory" in words
    assert (tmp_path / "cmdline.txt.before-picluster").exists()
    assert any("user-data: written" in line for line in said)


def test_a_second_time_changes_nothing_and_a_third_keeps_every_copy(tmp_path: Path) -> None:
    write_card(tmp_path, {"user-data": "one"})
    assert write_card(tmp_path, {"user-data": "one"}) == [f"{tmp_path}/user-data: as it should be"]
    write_card(tmp_path, {"user-data": "two"})
    write_card(tmp_path, {"user-data": "three"})
    assert (tmp_path / "user-data.before-picluster").read_text() == "one"
    assert (tmp_path / "user-data.before-picluster-2").read_text() == "two"


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
