"""Host keys: pinned at first contact if somebody agrees, and never exchanged for another."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from picluster.errors import HostKeyChanged, HostKeyUnknown
from picluster.ssh.host_keys import HostKeys, accept_new, refuse_new


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


def test_a_forgotten_key_may_be_another_one(
    tmp_path: Path, keys: tuple[paramiko.PKey, paramiko.PKey]
) -> None:
    known = pins(tmp_path)
    known.check("pi1", "10.0.0.1", 22, keys[0])
    assert known.forget("10.0.0.1", 22)
    known.check("pi1", "10.0.0.1", 22, keys[1])
