"""What first contact decides, and the key that it makes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import paramiko
import pytest
from tests.doubles.node_answers import NodeAnswers
from tests.doubles.tool_doubles import run_with
from tests.unit.steps.acting import HERE, decided, place
from tests.unit.steps.looking import decide

from picluster.engine.session import Completed, OnOutput, Session
from picluster.engine.step import Blocked, Satisfied
from picluster.errors import ActionFailed, AuthenticationFailed, PiclusterError
from picluster.model import parse
from picluster.steps.access.login import (
    ALLOW_SUDO,
    InstallKey,
    KeyInstalled,
    KeyLogin,
    SudoWithoutPassword,
)
from picluster.steps.access.own_key import MakeKey, OwnKey, default_key, make_key, public_key
from picluster.steps.access.password_login import PasswordLoginOff, RefusePasswords, arming

NODE = "name: a\nnodes: [{name: pi1, address: 10.0.0.1, role: server}]\n"


def judged(step: Any, **facts: str) -> Any:
    return decide(step, *(f"{key}={value}" for key, value in facts.items()))


# ------------------------------------------------------------------ the key here


def test_a_key_is_made_where_there_is_none_and_only_there(tmp_path: Path) -> None:
    path = tmp_path / ".ssh" / "id_ed25519"
    change = decided(OwnKey(path))
    assert change.actions == (MakeKey(path),)
    assert "without a passphrase" in change.summary
    MakeKey(path).perform(HERE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert paramiko.Ed25519Key.from_private_key_file(str(path)).get_base64() in public_key(path)
    assert decided(OwnKey(path)) == Satisfied()


def test_nothing_is_overwritten_even_if_a_key_appears_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "id"
    path.write_text("somebody's")
    with pytest.raises(PiclusterError, match="cannot be written"):
        MakeKey(path).perform(HERE)
    assert path.read_text() == "somebody's"


def test_two_keys_are_never_the_same() -> None:
    assert make_key()[1] != make_key()[1]


def test_the_usual_key_is_the_first_that_is_there(tmp_path: Path) -> None:
    assert default_key(tmp_path).name == "id_ed25519"
    (tmp_path / "id_rsa").touch()
    assert default_key(tmp_path).name == "id_rsa"
    (tmp_path / "id_ecdsa").touch()
    assert default_key(tmp_path).name == "id_ecdsa"


def test_the_public_half_is_told_without_its_file_and_without_its_comment(tmp_path: Path) -> None:
    private, public = make_key()
    (tmp_path / "id").write_text(private)
    assert public_key(tmp_path / "id") == " ".join(public.split()[:2])
    (tmp_path / "id.pub").write_text("ssh-rsa AAAA somebody; rm -rf /\n")
    assert public_key(tmp_path / "id") == "ssh-rsa AAAA"


@pytest.mark.parametrize("text", ["", "nonsense\n"])
def test_a_public_half_that_is_none_says_how_to_make_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "id.pub").write_text(text)
    with pytest.raises(ActionFailed) as caught:
        public_key(tmp_path / "id")
    assert "ssh-keygen -y" in caught.value.fix


# ------------------------------------------------------------------ nodes


def test_a_key_that_is_installed_is_left_alone(tmp_path: Path) -> None:
    key = tmp_path / "id"
    step = KeyInstalled(key)
    assert judged(step).reason == "it is not made yet"
    MakeKey(key).perform(HERE)
    assert judged(step, installed="yes") == Satisfied()
    assert judged(step).reason == "it is not installed"
    assert judged(step).actions == (InstallKey(key),)


def test_sudo_is_judged_by_trying_it() -> None:
    assert judged(SudoWithoutPassword()) == Satisfied()
    change = judged(SudoWithoutPassword(), asks="yes")
    assert change.reason == "it asks for one"
    assert change.actions == (ALLOW_SUDO,)


@pytest.mark.parametrize(
    ("alone", "together", "works", "kept"),
    [
        pytest.param(0, 0, 0, True, id="all is well"),
        pytest.param(1, 0, 0, False, id="visudo refuses the file"),
        pytest.param(0, 1, 0, False, id="visudo refuses all files together"),
        pytest.param(0, 0, 1, False, id="sudo still asks"),
    ],
)
def test_a_rule_of_sudo_stays_only_if_it_is_valid_and_works(
    tmp_path: Path, alone: int, together: int, works: int, kept: bool
) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    ended = run_with(
        tmp_path / "tools",
        ALLOW_SUDO.script.replace("/etc/", f"{etc}/"),
        getent="echo pi:x:1000:1000::/home/pi:/bin/sh",
        visudo=f'case "$*" in *" -f "*) exit {alone} ;; *) exit {together} ;; esac',
        runuser=f"exit {works}",
    )
    left = {path.name: path.read_text() for path in etc.rglob("*") if path.is_file()}
    expected = {"010-picluster-pi": "pi ALL=(ALL:ALL) NOPASSWD: ALL\n"} if kept else {}
    assert left == expected, "what is left in /etc"
    assert (ended.returncode == 0) is kept, ended.stderr


OPEN = {"passwordauthentication": "yes", "kbdinteractiveauthentication": "no", "included": "yes"}


def test_password_logins_that_are_off_stay_off() -> None:
    off = {"passwordauthentication": "no", "kbdinteractiveauthentication": "no"}
    assert judged(PasswordLoginOff(), **off) == Satisfied()
    assert judged(PasswordLoginOff(), **OPEN).actions == (RefusePasswords(),)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({**OPEN, "included": "no"}, "does not include"),
        ({**OPEN, "written": "yes"}, "still takes passwords"),
    ],
)
def test_what_picluster_cannot_set_is_refused_before_anything_is_changed(
    facts: dict[str, str], why: str
) -> None:
    decision = judged(PasswordLoginOff(), **facts)
    assert isinstance(decision, Blocked)
    assert why in decision.reason


def test_the_way_back_is_armed_before_the_door_is_closed() -> None:
    script = arming(120)
    assert script.index("systemd-run -q") < script.index('mv "$part"') < script.index("! sshd -t")


@pytest.mark.parametrize("valid", [True, False])
def test_sshds_file_stays_only_if_sshd_takes_it(tmp_path: Path, valid: bool) -> None:
    ssh = tmp_path / "ssh"
    (ssh / "sshd_config.d").mkdir(parents=True)
    calls = tmp_path / "calls"
    calls.touch()
    ended = run_with(
        tmp_path / "tools",
        arming(120).replace("/etc/ssh", str(ssh)),
        systemctl=f'echo "$*" >>{calls}',
        systemd_run="",
        sshd=f"exit {int(not valid)}",
    )
    assert [path.name for path in ssh.rglob("*.*") if path.is_file()] == (
        ["00-picluster.conf"] if valid else []
    )
    assert ended.returncode == int(not valid)
    last = calls.read_text().splitlines()[-1]
    assert last == ("reload ssh" if valid else "stop picluster-sshd-revert.timer")


@dataclass
class Door(NodeAnswers):
    """A node that does what it is told about passwords, and lets the key in or not."""

    lets_in: bool = True
    fails: bool = False

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        done = NodeAnswers.run(self, script, timeout=timeout, on_output=on_output)
        return replace(done, status=1, err=b"no such option\n") if self.fails else done

    def open(self, node: str) -> Session:
        if not self.lets_in:
            raise AuthenticationFailed("the key was not let in", where=node)
        return self.connect(node)

    def refuse_passwords(self) -> None:
        RefusePasswords().perform(place(KeyLogin(self.open), target="pi1", sessions=self.sessions))


def test_passwords_are_refused_for_good_once_the_key_was_let_in() -> None:
    door = Door(lambda script: "")
    door.refuse_passwords()
    assert door.scripts[0] == arming(120)
    assert "picluster-sshd-revert" in door.scripts[1]
    assert len(door.scripts) == 2


def test_a_key_that_is_not_let_in_leaves_the_node_taking_passwords() -> None:
    door = Door(lambda script: "", lets_in=False)
    with pytest.raises(ActionFailed, match="password logins were switched on again") as failed:
        door.refuse_passwords()
    assert failed.value.why == "the key was not let in"
    assert door.scripts[0] == arming(120)
    assert door.scripts[1].startswith("rm -f /etc/ssh/sshd_config.d/00-picluster.conf; ")
    assert len(door.scripts) == 2


def test_settings_that_sshd_does_not_take_are_told_and_nothing_else_is_done() -> None:
    door = Door(lambda script: "", fails=True)
    with pytest.raises(ActionFailed, match="could not be changed") as failed:
        door.refuse_passwords()
    assert (failed.value.where, failed.value.why) == ("pi1", "no such option")
    assert door.scripts == [arming(120)]


# ------------------------------------------------------------------ the phase


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("", False),
        ("ssh: {sudo_password: env:X}\n", False),
        ("ssh: {password: env:X}\n", True),
        ("bootstrap: {disable_password_login: true}\n", True),
    ],
)
def test_only_first_contact_by_password_needs_a_bootstrap(more: str, wanted: bool) -> None:
    assert parse(NODE + more).cluster.bootstrapped is wanted
