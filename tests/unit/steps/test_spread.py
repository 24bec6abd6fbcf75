"""A big file leaves this computer once: nodes hand it on, and only what it should be is kept."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.doubles.progress import ProgressDouble

from picluster.engine.place import Place, Tools
from picluster.engine.script import part_of, receiving_script
from picluster.engine.session import Completed, OnOutput
from picluster.errors import ActionFailed
from picluster.steps import spread
from picluster.steps.spread import Copy, Spread, Spreading, give_script, take_script

CONTENT = os.urandom(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = "/node/staging/k3s"
TOKEN = "0123456789abcdef" * 2
NAMES = ("pi1", "pi2", "pi3")
# Who becomes nobody has to be root first; the tests are not.
_DOUBLES = {
    "setpriv": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
    "chown": ":",
    "sync": ":",
}


@dataclass
class Node:
    """A node that runs its scripts here, as they are, below a directory of its own."""

    root: Path
    uploads: int = 0
    upload_fails: bool = False

    def text(self, script: str) -> str:
        return script.replace("/node/", f"{self.root}/")

    def start(self, script: str) -> subprocess.Popen[bytes]:
        tools = self.root / "tools"
        tools.mkdir(parents=True, exist_ok=True)
        for name, body in _DOUBLES.items():
            (tools / name).write_text(f"#!/bin/sh\n{body}\n")
            (tools / name).chmod(0o755)
        return subprocess.Popen(
            ["sh", "-c", self.text(script)],
            env={"PATH": f"{tools}:{os.environ['PATH']}", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        with self.start(script) as done:
            assert done.stdout is not None
            assert done.stderr is not None
            out = b""
            for line in done.stdout:
                out += line
                if on_output is not None:
                    on_output("stdout", line)
            err = done.stderr.read()
        return Completed(done.returncode, out, err)

    def upload(
        self, source: Path, path: str, *, sha256: str, mode: int, owner: str, timeout: float
    ) -> None:
        if self.upload_fails:
            raise ActionFailed("no room")
        self.uploads += 1
        script = receiving_script(f"cat {source}", path, sha256, mode, owner)
        assert self.run(script, timeout=timeout).status == 0

    @property
    def file(self) -> Path:
        return Path(self.text(PATH))


@dataclass
class Cluster:
    """Nodes that reach each other at `addresses`."""

    source: Path
    nodes: dict[str, Node]
    spreading: Spreading
    told: list[str] = field(default_factory=list)

    def get(self, node: str) -> Node:
        return self.nodes[node]

    def send(self, *names: str, moved: str = "") -> None:
        for name in names:
            progress = ProgressDouble()
            place = Place(name, self, Tools(self.spreading), progress)  # type: ignore[arg-type]
            try:
                Spread(self.source, PATH, DIGEST, 0o755, moved).perform(place)
            finally:
                self.told += progress.states

    @property
    def uploads(self) -> list[int]:
        return [node.uploads for node in self.nodes.values()]

    def check(self) -> None:
        for name, node in self.nodes.items():
            assert node.file.read_bytes() == CONTENT, name
            assert node.file.stat().st_mode & 0o777 == 0o755, name
            assert [each.name for each in node.file.parent.iterdir()] == ["k3s"], "a part is left"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(spread, "WORTH", 1000)
    source = tmp_path / "k3s-arm64"
    source.write_bytes(CONTENT)
    nodes = {name: Node(tmp_path / name) for name in NAMES}
    return Cluster(source, nodes, Spreading(dict.fromkeys(NAMES, "127.0.0.1")))


def test_what_many_nodes_get_leaves_this_computer_once(cluster: Cluster) -> None:
    cluster.send(*NAMES)
    cluster.check()
    assert cluster.uploads == [1, 0, 0]
    assert cluster.told == [
        "uploading k3s-arm64, 300.0 kB",
        "taking k3s-arm64 from pi1",
        "taking k3s-arm64 from pi2",
    ]


def test_a_small_file_is_not_worth_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "WORTH", len(CONTENT) + 1)
    cluster.send(*NAMES)
    cluster.check()
    assert cluster.uploads == [1, 1, 1]


def test_what_was_moved_meanwhile_is_handed_on_from_where_it_is(cluster: Cluster) -> None:
    cluster.send("pi1", moved="/node/bin/k3s")
    there = cluster.get("pi1")
    (there.root / "bin").mkdir()
    there.file.rename(there.root / "bin" / "k3s")
    cluster.send("pi2", moved="/node/bin/k3s")
    assert cluster.get("pi2").file.read_bytes() == CONTENT
    assert cluster.uploads == [1, 0, 0]


def test_another_content_than_this_computer_knows_is_thrown_away_and_sent_from_here(
    cluster: Cluster,
) -> None:
    cluster.send("pi1")
    cluster.get("pi1").file.write_bytes(CONTENT[:-1] + b"x")
    cluster.send("pi2", "pi3")
    cluster.get("pi1").file.write_bytes(CONTENT)
    cluster.check()
    assert cluster.uploads == [1, 1, 1], "after a failure nobody hands on anything any more"
    assert cluster.told[2] == (
        "pi1 cannot hand k3s-arm64 on (the checksum differs): this computer sends it"
    )


def test_a_node_that_lets_nobody_in_is_told_and_costs_nothing_else(cluster: Cluster) -> None:
    cluster.spreading = Spreading(dict.fromkeys(NAMES, "127.0.0.1") | {"pi1": "127.0.0.77"})
    cluster.send(*NAMES)
    cluster.check()
    assert cluster.uploads == [1, 1, 1]
    assert "pi1 cannot hand k3s-arm64 on (127.0.0.77 port " in cluster.told[2]
    assert "Connection refused" in cluster.told[2]


def test_a_node_without_what_it_takes_is_told(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_DOUBLES, "setpriv", "echo no setpriv >&2; exit 127")
    cluster.send(*NAMES)
    cluster.check()
    assert cluster.told[2] == "pi1 cannot hand k3s-arm64 on (no setpriv): this computer sends it"


def test_a_node_that_got_nothing_is_asked_for_nothing(cluster: Cluster) -> None:
    cluster.get("pi1").upload_fails = True
    with pytest.raises(ActionFailed):
        cluster.send("pi1")
    cluster.send("pi2", "pi3")
    assert cluster.uploads == [0, 1, 0]
    assert cluster.told[-1] == "taking k3s-arm64 from pi2"


# ------------------------------------------------------------------ who gives to whom


def test_all_who_come_at_once_make_a_chain() -> None:
    spreading = Spreading({})
    one, two, three, four = (Copy(f"pi{number}", "/x") for number in range(1, 5))
    with (
        spreading.giver("a", one) as first,
        spreading.giver("a", two) as second,
        spreading.giver("a", three) as third,
        spreading.giver("b", four) as other,
    ):
        assert (first, second, third, other) == (None, one, two, None)
    with suppress(ActionFailed), spreading.giver("a", four) as late:
        assert late == three
        raise ActionFailed("no room")
    with spreading.giver("a", four) as again:
        assert again == two, "who has given can give again"


# ------------------------------------------------------------------ the scripts


@contextmanager
def giving(node: Node, token: str = TOKEN) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Have a node hand the file on; it has to be there, or to have begun to arrive."""
    script = give_script(Copy("pi1", PATH), "127.0.0.1", token, len(CONTENT), DIGEST)
    with node.start(script) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith(b"port="), (line, process.stderr and process.stderr.read())
            yield int(line[5:]), process
        finally:
            process.kill()


def taken(node: Node, port: int, token: str = TOKEN) -> Completed:
    return node.run(take_script("127.0.0.1", port, token, len(CONTENT)), timeout=30)


def test_a_file_is_handed_on_while_it_arrives(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.file.parent.mkdir()
    part = Path(node.text(part_of(PATH, DIGEST)))
    part.write_bytes(CONTENT[:1000])
    with giving(node) as (port, _):
        got: list[bytes] = []
        taking = threading.Thread(target=lambda: got.append(taken(node, port).out))
        taking.start()
        with part.open("ab") as file:
            for start in range(1000, len(CONTENT), 50_000):
                file.write(CONTENT[start : start + 50_000])
                file.flush()
        part.rename(node.file)
        taking.join(30)
    assert got == [CONTENT]


def test_what_stops_arriving_is_not_waited_for(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.file.parent.mkdir()
    part = Path(node.text(part_of(PATH, DIGEST)))
    part.write_bytes(CONTENT[:1000])
    with giving(node) as (port, process):
        part.unlink()
        done = taken(node, port)
        assert process.wait(30) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b"the file went away\n"
    assert (done.status, done.out) == (1, CONTENT[:1000])
    assert done.last_words == f"it ended {len(CONTENT) - 1000} bytes too early"


def test_a_file_of_another_release_is_not_handed_on_for_it(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.file.parent.mkdir()
    node.file.write_bytes(b"the one before")
    script = give_script(Copy("pi1", PATH), "127.0.0.1", TOKEN, len(CONTENT), DIGEST)
    done = node.run(script.replace("-gt 200", "-gt 1"), timeout=30)
    assert (done.status, done.last_words) == (1, "the file did not begin to arrive")


@pytest.mark.parametrize("said", [b"", b"x" * 32, TOKEN[:-1].encode(), b"\xff" * 32])
def test_nobody_gets_anything_without_the_token_and_who_has_it_gets_it_once(
    tmp_path: Path, said: bytes
) -> None:
    node = Node(tmp_path)
    node.file.parent.mkdir()
    node.file.write_bytes(CONTENT)
    with giving(node) as (port, process):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
            stranger.sendall(said)
            stranger.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                assert stranger.recv(1) == b""
        assert taken(node, port).out == CONTENT
        assert process.wait(30) == 0
        again = taken(node, port)
    assert again.status == 1
    assert "Connection refused" in again.last_words


def test_the_token_is_no_argument_of_a_program(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.file.parent.mkdir()
    node.file.write_bytes(CONTENT)
    with giving(node) as (port, process):
        shown = [
            path.read_bytes()
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if str(process.pid) in (path.parent / "stat").read_text().split()[3:5]
        ]
        assert any(b"compare_digest" in each for each in shown), "the program was not found"
        # The shell's own script goes over stdin on a node.
        assert not any(TOKEN.encode() in each for each in shown if b"python3" in each[:20])
        taken(node, port)
