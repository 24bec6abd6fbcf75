"""The lock on a node: taken under any login shell, and out of reach of the node's other users."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.doubles.ssh_channel import ShellChannel, session_over

from picluster.commands import _node_lock
from picluster.engine import lock as node_lock
from picluster.engine.lock import FirstThatIsThere, NodeLock
from picluster.engine.pool import Sessions
from picluster.engine.session import Session, Traffic
from picluster.errors import Locked, NodeError


@dataclass
class LoginShells:
    """Connects to a shell of this machine that greets whoever logs in."""

    greeting: str
    opened: list[ShellChannel] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)

    def connect(self, node: str) -> Session:
        self.opened.append(ShellChannel(self.greeting))
        return session_over(self.opened[-1])


@pytest.fixture
def lock_at() -> Iterator[Callable[..., NodeLock]]:
    """A way to a lock at a path, each over a connection of its own."""
    everyone: list[tuple[LoginShells, NodeLock]] = []

    def lock(path: Path, greeting: str = "") -> NodeLock:
        shells = LoginShells(greeting)
        everyone.append((shells, NodeLock(Sessions(shells), "pi1", str(path))))
        return everyone[-1][1]

    yield lock
    for shells, lock_ in everyone:
        for channel in shells.opened:
            channel.hang_up()
        if lock_._thread is not None:
            lock_._thread.join(10)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("greeting", ["echo welcome", "echo held; echo held >&2"])
def test_a_greeting_of_the_login_shell_is_no_other_run(
    lock_at: Callable[..., NodeLock], tmp_path: Path, greeting: str
) -> None:
    lock = lock_at(tmp_path / "own/home.lock", greeting)
    lock.take()
    assert lock.held
    with pytest.raises(Locked) as caught:
        lock_at(tmp_path / "own/home.lock", greeting).take()
    assert caught.value.why == f"held by {(tmp_path / 'own/home.lock').read_text()}"


@pytest.mark.parametrize("said", ["File exists", ""], ids=["a message", "silence"])
def test_a_node_that_cannot_grant_it_is_no_other_run_and_the_next_one_is_asked(
    lock_at: Callable[..., NodeLock],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
) -> None:
    monkeypatch.setattr(node_lock, "_GRANT_SECONDS", 0.3)
    (tmp_path / "file").write_text("")
    at, greeting = tmp_path / "file/home.lock", "" if said else "sleep 1"
    with pytest.raises(NodeError, match="cannot be taken") as caught:
        lock_at(at, greeting).take()
    assert said in caught.value.why
    good = lock_at(tmp_path / "own/home.lock")
    FirstThatIsThere([lock_at(at, greeting), good]).take()
    assert good.held


def test_nobody_but_root_can_open_it(lock_at: Callable[..., NodeLock], tmp_path: Path) -> None:
    (tmp_path / "wide").mkdir(mode=0o755)
    for directory in ("new", "wide"):
        lock_at(tmp_path / directory / "home.lock").take()
        assert mode(tmp_path / directory) == 0o700, directory


def test_the_cluster_s_lock_has_a_directory_to_itself() -> None:
    node = SimpleNamespace(name="pi1")
    cluster = SimpleNamespace(name="home", servers=(node,), agents=())
    site: Any = SimpleNamespace(cluster=cluster, sessions=None)
    (lock,) = _node_lock(site, frozenset()).locks
    assert lock.path == "/run/picluster-lock/home.lock", "everybody may write to /run/lock"


def test_a_holder_whose_name_reads_like_a_grant_keeps_the_others_out(
    lock_at: Callable[..., NodeLock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_lock, "describe_holder", lambda: "held\n")
    lock_at(tmp_path / "own/home.lock").take()
    other = lock_at(tmp_path / "own/home.lock")
    with pytest.raises(Locked):
        other.take()
    assert not other.held
