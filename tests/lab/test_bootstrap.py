"""First contact by password, on a machine that knows nothing of this computer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from picluster.paths import cluster_state
from picluster.steps.access.password_login import arming
from tests.lab.bench import Bench, Pi, Result, until

PASSWORD = "rasp'b\"erry $HOME"
NO_KEYS = """
rm -f /etc/sudoers.d/010_pi-nopasswd /home/pi/.ssh/authorized_keys
rm -f /etc/sudoers.d/010-picluster-pi /etc/ssh/sshd_config.d/00-picluster.conf
cat >/run/password <<'END'
pi:PASSWORD
END
chpasswd </run/password
rm /run/password
""".replace("PASSWORD", PASSWORD)


SPIED = "/run/spied"
SPYING = f"while :; do ps -eo args >>{SPIED}; sleep 0.05; done"


@pytest.fixture
def fresh(solo: Bench, pi: Pi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Pi]:
    """A card as it was flashed: a user with a password, and no key on either side."""
    pi.sh(NO_KEYS)
    monkeypatch.setenv("PI_PASSWORD", PASSWORD)
    text = solo.file.read_text()
    key = f"key: {solo.lab.key}"
    assert key in text
    with solo.edited(key, f"key: {tmp_path / 'keys' / 'id_new'}\n  password: env:PI_PASSWORD"):
        yield pi


def changed(result: Result) -> set[str]:
    finished = [event for event in result.events if event["event"] == "StepFinished"]
    return {str(event["step"]) for event in finished if event["outcome"] == "changed"}


def enters(pi: Pi, **how: Any) -> bool:
    """Try to log in by a way of its own, with nothing else offered."""
    # An sshd that reads its settings anew does not listen for a moment.
    until(lambda: pi.holds("ss -Hltn | grep -q ':22 '"))
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    try:
        client.connect(
            pi.address, username="pi", allow_agent=False, look_for_keys=False, timeout=20, **how
        )
    except paramiko.AuthenticationException:
        return False
    finally:
        client.close()
    return True


def test_after_first_contact_everything_goes_by_key(
    solo: Bench, fresh: Pi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "keys" / "id_new"
    solo.picluster("plan", "--until", "bootstrap")
    assert not key.exists(), "a plan makes nothing, here neither"
    first = solo.picluster("phase", "bootstrap", "--json")
    assert changed(first) == {"own-key-id_new", "key-installed", "sudo-without-password"}
    assert key.stat().st_mode & 0o777 == 0o600
    assert fresh.sh("stat -c '%a %U:%G' /home/pi/.ssh /home/pi/.ssh/authorized_keys").split() == [
        "700", "pi:pi", "600", "pi:pi",
    ]  # fmt: skip
    assert enters(fresh, key_filename=str(key))
    monkeypatch.delenv("PI_PASSWORD")  # nobody is asked for what is not needed any more
    assert changed(solo.picluster("phase", "bootstrap", "--json")) == set()
    last = solo.picluster("phase", "bootstrap", "--json").events[-1]
    assert (last["connections"], last["scripts"]) == (1, 1)


def test_keys_that_were_there_stay_as_they_are(solo: Bench, fresh: Pi) -> None:
    theirs = f"# mine\nssh-ed25519 {'A' * 68} me"
    fresh.sh(
        "install -d -m 700 -o pi -g pi /home/pi/.ssh\n"
        f"printf '%s' '{theirs}' >/home/pi/.ssh/authorized_keys\n"
        "chown pi:pi /home/pi/.ssh/authorized_keys; chmod 600 /home/pi/.ssh/authorized_keys"
    )
    solo.picluster("phase", "bootstrap")
    lines = fresh.read("/home/pi/.ssh/authorized_keys").splitlines()
    assert "\n".join(lines[:2]) == theirs
    assert len(lines) == 3


def test_a_key_that_is_there_is_used_and_not_touched(
    solo: Bench, fresh: Pi, tmp_path: Path
) -> None:
    key = tmp_path / "keys" / "id_new"
    key.parent.mkdir()
    key.write_bytes(solo.lab.key.read_bytes())
    key.chmod(0o600)
    before = key.read_bytes()
    assert "own-key-id_new" not in changed(solo.picluster("phase", "bootstrap", "--json"))
    assert key.read_bytes() == before
    assert enters(fresh, key_filename=str(solo.lab.key))


def test_sudo_gets_the_password_where_the_key_is_on_the_card_already(
    solo: Bench, fresh: Pi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Raspberry Pi OS comes since April 2026, flashed with a key: sudo asks all the same."""
    key = tmp_path / "keys" / "id_new"
    key.parent.mkdir()
    key.write_bytes(solo.lab.key.read_bytes())
    key.chmod(0o600)
    fresh.sh(
        "install -d -m 700 -o pi -g pi /home/pi/.ssh\n"
        f"echo '{solo.lab.key.with_suffix('.pub').read_text().strip()}' "
        ">/home/pi/.ssh/authorized_keys; chown pi:pi /home/pi/.ssh/authorized_keys"
    )
    done = solo.picluster("phase", "bootstrap", "--json")
    assert changed(done) == {"sudo-without-password"}
    monkeypatch.delenv("PI_PASSWORD")
    assert changed(solo.picluster("phase", "bootstrap", "--json")) == set()


def test_the_password_is_told_to_nobody(solo: Bench, fresh: Pi) -> None:
    fresh.sh(f"umask 077; systemd-run -q --unit=spy sh -c '{SPYING}'")
    said = solo.picluster("phase", "bootstrap").said
    fresh.sh("systemctl stop spy")
    seen = fresh.read(SPIED)
    assert "sudo" in seen
    runs = (cluster_state(solo.lab.name) / "runs").rglob("*")
    texts = [said, seen, *(path.read_text() for path in runs if path.is_file())]
    assert not [text for text in texts if PASSWORD in text]


def test_a_wrong_password_is_said_to_be_refused(
    solo: Bench, fresh: Pi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PI_PASSWORD", "strawberry")
    said = solo.picluster("phase", "bootstrap", expect=4).said
    assert "does not let pi in" in said
    assert "offered were the password" in said
    assert "strawberry" not in said


CLOSED = "bootstrap: {disable_password_login: true}\nnodes:"


def test_password_logins_are_closed_once_the_key_is_proven(
    solo: Bench, fresh: Pi, tmp_path: Path
) -> None:
    assert enters(fresh, password=PASSWORD)
    with solo.edited("nodes:", CLOSED):
        result = solo.picluster("phase", "bootstrap", "--json")
        assert "password-login-off" in changed(result)
        assert not enters(fresh, password=PASSWORD)
        assert enters(fresh, key_filename=str(tmp_path / "keys" / "id_new"))
        assert fresh.status("systemctl is-active picluster-sshd-revert.timer") != 0
        assert changed(solo.picluster("phase", "bootstrap", "--json")) == set()


def test_a_key_that_is_not_let_in_leaves_the_way_by_password(
    solo: Bench, fresh: Pi, tmp_path: Path
) -> None:
    with solo.edited("nodes:", CLOSED):
        solo.picluster("phase", "bootstrap")
    fresh.sh(
        "rm /etc/ssh/sshd_config.d/00-picluster.conf\n"
        "echo 'AuthorizedKeysFile /nowhere/%u' >/etc/ssh/sshd_config.d/50-theirs.conf\n"
        "systemctl reload ssh"
    )
    with solo.edited("nodes:", CLOSED):
        said = solo.picluster("phase", "bootstrap", expect=1).said
    assert "password logins were switched on again" in said
    assert enters(fresh, password=PASSWORD)
    assert fresh.status("[ -e /etc/ssh/sshd_config.d/00-picluster.conf ]") != 0


def test_a_key_that_sshd_does_not_look_for_is_found_out_at_once(solo: Bench, fresh: Pi) -> None:
    fresh.sh(
        "echo 'AuthorizedKeysFile /nowhere/%u' >/etc/ssh/sshd_config.d/50-theirs.conf\n"
        "systemctl reload ssh"
    )
    said = solo.picluster("phase", "bootstrap", expect=1).said
    assert "the key was installed, and is not let in" in said
    assert "AuthorizedKeysFile" in said


def test_a_node_that_loses_us_half_way_takes_passwords_again_by_itself(
    solo: Bench, fresh: Pi
) -> None:
    fresh.sh(arming(seconds=3))
    assert not enters(fresh, password=PASSWORD)
    until(lambda: enters(fresh, password=PASSWORD))
