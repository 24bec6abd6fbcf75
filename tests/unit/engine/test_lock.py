"""Both locks by what they say: who holds them, why they cannot be taken, and taken once more."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from picluster.engine import lock as locks
from picluster.engine.lock import FirstThatIsThere, NodeLock, WorkstationLock
from picluster.errors import Locked, NodeError, Unreachable

AWAY = Unreachable("it is away", where="pi1", fix="switch it on")
BUSY = 75


def why(lock: WorkstationLock | NodeLock) -> tuple[str, str]:
    with pytest.raises(Locked) as refused:
        lock.take()
    return refused.value.where, refused.value.why


def not_granted(lock: NodeLock) -> tuple[str, str]:
    with pytest.raises(NodeError, match="cannot be taken on it") as refused:
        lock.take()
    return refused.value.where, refused.value.why


class TestOnThisComputer:
    def test_who_is_kept_out_is_told_who_holds_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "state/lock"
        names = iter(["somebody with quite a long name", "me"])
        monkeypatch.setattr(locks, "describe_holder", lambda: next(names))
        first, second = WorkstationLock(path), WorkstationLock(path)
        first.take()
        said = ("this computer", "held by somebody with quite a long name")
        assert why(second) == said
        assert why(second) == said, "a try that fails leaves the holder's name"
        second.release()
        first.release()
        second.take()
        assert why(first) == ("this computer", "held by me")

    def test_no_file_is_left_open(self, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
        first, second = WorkstationLock(tmp_path / "lock"), WorkstationLock(tmp_path / "lock")
        first.take()
        why(second)
        first.release()
        gc.collect()
        told = [str(each.message) for each in recwarn]
        assert [each for each in told if str(tmp_path) in each] == []

    def test_a_directory_that_is_made_for_it_is_the_users_own(self, tmp_path: Path) -> None:
        WorkstationLock(tmp_path / "a/b/lock").take()
        assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700


@dataclass
class Node:
    """A node whose script says what the test wants, and then ends, or stays until it is let go."""

    says: list[tuple[str, bytes]] = field(default_factory=list)
    status: int = 0
    stays: bool = False
    lost: Unreachable | None = None
    scripts: int = 0
    let_go: threading.Event = field(default_factory=threading.Event)

    def get(self, node: str) -> Node:
        return self

    def run(self, script: str, *, timeout: float, on_output: Any) -> Any:
        self.scripts += 1
        for stream, data in self.says:
            on_output(stream, data)
        if self.lost is not None:
            raise self.lost
        if self.stays:
            self.let_go.wait(60)
        return SimpleNamespace(status=self.status)

    def end(self, lock: NodeLock) -> None:
        """Let the script end, as it does with its connection."""
        self.let_go.set()
        assert lock._thread is not None
        lock._thread.join(60)


GRANT = ("stdout", b"held\n")


@pytest.fixture
def node() -> Iterator[Node]:
    found = Node()
    yield found
    found.let_go.set()


def lock_on(node: Node, name: str = "pi1") -> NodeLock:
    return NodeLock(node, name, "/run/own/lock")  # type: ignore[arg-type]


class TestOnANode:
    def test_it_is_held_from_the_grant_to_the_end_of_the_script(self, node: Node) -> None:
        node.says, node.stays = [GRANT], True
        lock = lock_on(node)
        assert not lock.held
        lock.take()
        assert lock.held
        assert lock._thread is not None
        assert lock._thread.daemon, "a run ends though its lock is still held"
        lock.take()
        assert node.scripts == 1, "one that is held is not taken twice"
        node.end(lock)
        assert not lock.held

    def test_who_is_kept_out_is_told_who_holds_it_now(self, node: Node) -> None:
        lock = lock_on(node)
        for holder in ("somebody", "another"):
            node.says, node.status = [("stderr", f" {holder}\n".encode())], BUSY
            assert why(lock) == ("pi1", f"held by {holder}")
            assert not lock.held
        node.says = []
        assert why(lock) == ("pi1", ""), "a holder that has not written its name yet"

    def test_a_script_that_fails_grants_nothing_and_says_why(self, node: Node) -> None:
        node.says, node.status = [("stdout", b"welcome\n"), ("stderr", b"no such directory\n")], 1
        assert not_granted(lock_on(node)) == ("pi1", "it said: no such directory")
        node.says = [("stdout", b"hel")]
        assert not_granted(lock_on(node)) == ("pi1", "it said nothing")

    def test_a_node_that_is_away_is_told_as_that(self, node: Node) -> None:
        node.lost = AWAY
        with pytest.raises(Unreachable) as refused:
            lock_on(node).take()
        assert refused.value is AWAY

    def test_one_that_was_lost_is_no_longer_held_whatever_comes_of_another_try(
        self, node: Node
    ) -> None:
        node.says, node.stays = [GRANT], True
        lock = lock_on(node)
        lock.take()
        node.end(lock)
        node.says, node.status = [("stderr", b"read-only")], 1
        assert not_granted(lock) == ("pi1", "it said: read-only")
        node.says, node.let_go = [GRANT], threading.Event()
        lock.take()
        assert lock.held

    def test_a_holder_without_end_is_cut(self, node: Node) -> None:
        node.says, node.status = [("stderr", b"x" * 3000), ("stderr", b"y" * 3000)], BUSY
        _, said = why(lock_on(node))
        assert said == "held by " + "x" * 3000 + "y" * 1096

    def test_the_cluster_is_held_where_it_is_held_though_an_earlier_node_comes_back(self) -> None:
        first, second = Node(lost=AWAY), Node([GRANT], stays=True)
        both = FirstThatIsThere([lock_on(first), lock_on(second, "pi2")])
        both.take()
        first.lost, first.says = None, [GRANT]
        both.take()
        assert (first.scripts, second.scripts) == (1, 1)
        second.let_go.set()
