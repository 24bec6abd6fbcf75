"""Host keys: pinned at first contact if somebody agrees, and never exchanged for another."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from picluster.errors import HostKeyChanged, HostKeyUnknown
from picluster.ssh import host_keys
from picluster.ssh.host_keys import USERS_FILES, HostKeys, accept_new, refuse_new
from picluster.ssh.keys import fingerprint
from picluster.ssh.known_hosts import read


@pytest.fixture(scope="module")
def keys() -> tuple[paramiko.PKey, paramiko.PKey]:
    return paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()


def pins(tmp_path: Path, agree: object = accept_new) -> HostKeys:
    return HostKeys(tmp_path / "known_hosts", agree, users_files=())  # type: ignore[arg-type]


def test_a_new_key_is_pinned_once_somebody_agrees(
    tmp_path: Path, keys: tuple[paramiko.PKey, paramiko.PKey]
) -> None:
    pins(tmp_path).check("pi1", "10.0.0.1", 22, keys[0])
    pins(tmp_path, refuse_new).check("pi1", "10.0.0.1", 22, keys[0])


def test_a_new_key_that_nobody_agreed_to_is_refused_and_not_pinned(
    tmp_path: Path, keys: tuple[paramiko.PKey, paramiko.PKey]
) -> None:
    for _ in range(2):
        with pytest.raises(HostKeyUnknown, match="not known yet"):
            pins(tmp_path, refuse_new).check("pi1", "10.0.0.1", 22, keys[0])
    assert not (tmp_path / "known_hosts").exists()


def test_a_key_that_changed_is_refused_whoever_would_agree(
    tmp_path: Path, keys: tuple[paramiko.PKey, paramiko.PKey]
) -> None:
    pins(tmp_path).check("pi1", "10.0.0.1", 22, keys[0])
    with pytest.raises(HostKeyChanged) as refused:
        pins(tmp_path).check("pi1", "10.0.0.1", 22, keys[1])
    assert "picluster known-hosts forget pi1" in refused.value.fix
    pins(tmp_path).check("pi1", "10.0.0.1", 22, keys[0])


def test_the_same_host_at_another_port_is_another_machine(
    tmp_path: Path, keys: tuple[paramiko.PKey, paramiko.PKey]
) -> None:
    pins(tmp_path).check("pi1", "10.0.0.1", 22, keys[0])
    with pytest.raises(HostKeyUnknown):
        pins(tmp_path, refuse_new).check("pi2", "10.0.0.1", 2222, keys[1])


def test_the_files_are_read_once_for_all_nodes_until_a_pin_is_added(
    tmp_path: Path, keys: tuple[paramiko.PKey, paramiko.PKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = list[Path]()
    monkeypatch.setattr(host_keys, "read", lambda *files: times.extend(files) or read(*files))
    known = pins(tmp_path)
    known.check("pi1", "10.0.0.1", 22, keys[0])
    for _ in range(3):
        known.check("pi1", "10.0.0.1", 22, keys[0])
    assert times == [tmp_path / "known_hosts"] * 2


def test_a_forgotten_key_may_be_another_one(
    tmp_path: Path, keys: tuple[paramiko.PKey, paramiko.PKey]
) -> None:
    known = pins(tmp_path)
    for _ in range(2):
        known.check("pi1", "10.0.0.1", 22, keys[0])
    assert known.forget("10.0.0.1", 22)
    known.check("pi1", "10.0.0.1", 22, keys[1])


Pair = tuple[paramiko.PKey, paramiko.PKey]


def line(host: str, key: paramiko.PKey) -> str:
    return f"{host} {key.get_name()} {key.get_base64()}\n"


def test_a_pin_is_one_more_line_of_a_file_that_only_the_user_reads(
    tmp_path: Path, keys: Pair
) -> None:
    known = HostKeys(tmp_path / "state/home/known_hosts", accept_new, users_files=())
    known.check("pi1", "10.0.0.1", 22, keys[0])
    known.check("pi2", "10.0.0.2", 2222, keys[1])
    known.check("pi1", "10.0.0.1", 22, keys[0])
    text = line("10.0.0.1", keys[0]) + line("[10.0.0.2]:2222", keys[1])
    assert known.own_file.read_text() == text
    assert known.own_file.stat().st_mode & 0o777 == 0o600
    assert known.own_file.parent.stat().st_mode & 0o777 == 0o700


def test_only_the_pins_of_that_host_are_forgotten(tmp_path: Path, keys: Pair) -> None:
    known = pins(tmp_path)
    assert not known.forget("10.0.0.1", 22)
    assert not known.own_file.exists(), "nothing was pinned, so there is nothing to keep"
    known.check("pi1", "10.0.0.1", 22, keys[0])
    known.check("pi2", "10.0.0.2", 22, keys[1])
    written = known.own_file.stat()
    assert not known.forget("10.0.0.3", 22)
    assert known.own_file.stat() == written
    assert known.forget("10.0.0.1", 22)
    assert known.own_file.read_text() == line("10.0.0.2", keys[1])
    assert not known.forget("10.0.0.1", 22)


def test_a_change_is_told_with_the_key_of_its_kind_and_how_its_pin_goes(
    tmp_path: Path, keys: Pair
) -> None:
    theirs = tmp_path / "theirs"
    other = paramiko.RSAKey.generate(1024)
    theirs.write_text(line("10.0.0.1", other) + line("10.0.0.1", keys[0]))
    known = HostKeys(tmp_path / "known_hosts", accept_new, users_files=(theirs,))
    with pytest.raises(HostKeyChanged) as refused:
        known.check("pi1", "10.0.0.1", 22, keys[1])
    assert refused.value.where == "pi1 (10.0.0.1)"
    assert f"expected {fingerprint(keys[0].asbytes())} (in {theirs})" in refused.value.why
    assert f"it presents {fingerprint(keys[1].asbytes())}" in refused.value.why
    assert f"`ssh-keygen -f {theirs} -R '10.0.0.1'`" in refused.value.fix
    assert "known-hosts forget" not in refused.value.fix


def test_a_change_of_kind_is_told_with_what_is_pinned(tmp_path: Path, keys: Pair) -> None:
    known, other = pins(tmp_path), paramiko.RSAKey.generate(1024)
    known.check("pi1", "10.0.0.1", 22, keys[0])
    with pytest.raises(HostKeyChanged) as refused:
        known.check("pi1", "10.0.0.1", 22, other)
    assert f"expected {fingerprint(keys[0].asbytes())}" in refused.value.why
    assert "ssh-keygen -f" not in refused.value.fix


def test_the_users_own_pins_count(
    tmp_path: Path, keys: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(line("10.0.0.1", keys[0]))
    HostKeys(tmp_path / "pins").check("pi1", "10.0.0.1", 22, keys[0])
    assert USERS_FILES[1] == Path("/etc/ssh/ssh_known_hosts"), "and the system's, as ssh has it"


def test_who_is_asked_is_told_what_to_compare(tmp_path: Path, keys: Pair) -> None:
    asked: list[tuple[str, str, str]] = []

    def agree(node: str, kind: str, print_: str) -> bool:
        asked.append((node, kind, print_))
        return False

    with pytest.raises(HostKeyUnknown) as refused:
        pins(tmp_path, agree).check("pi1", "10.0.0.1", 22, keys[0])
    assert asked == [("pi1", keys[0].get_name(), fingerprint(keys[0].asbytes()))]
    assert refused.value.where == "pi1 (10.0.0.1)"
    assert refused.value.why == (
        f"it presents the {keys[0].get_name()} key {fingerprint(keys[0].asbytes())}, and nobody "
        "has agreed to trust it"
    )


def test_of_lines_that_make_no_sense_the_first_few_are_named(tmp_path: Path, keys: Pair) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("10.0.0.1 ssh-ed25519 !\n" * 4)
    known = HostKeys(tmp_path / "pins", refuse_new, users_files=(theirs,))
    with pytest.raises(HostKeyUnknown) as refused:
        known.check("pi1", "10.0.0.1", 22, keys[0])
    named = [number for number in range(1, 5) if f"line {number} of {theirs}" in refused.value.why]
    assert named == [1, 2, 3]
