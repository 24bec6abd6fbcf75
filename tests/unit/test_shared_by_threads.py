"""What the threads of a run share has one owner each, and bears 32 of them at the same moment.

Nodes are worked on in parallel. Whatever more than one of their threads touches is listed in
docs/how-it-works.md with its owner, and raced for here; files are, in test_local_files.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.doubles.node_answers import NodeAnswers
from tests.unit.kube.kube_double import Authority, k3s_yaml
from tests.unit.racing import THREADS, race

from picluster.cli import prompts as cli_prompts
from picluster.engine.events import StepFinished
from picluster.engine.pool import Sessions
from picluster.engine.run import RunState
from picluster.engine.session import Completed, OnOutput, Session, Traffic
from picluster.errors import NodeError, StepFailed, Unreachable
from picluster.kube import client as kube_client
from picluster.kube.access import KubeAccess
from picluster.kube.link import HttpAnswer, LinkDown, Request, Server
from picluster.model import load
from picluster.once import Once, Together
from picluster.ssh import connector as ssh_connector
from picluster.ssh import host_keys
from picluster.ssh import session as ssh_session
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint, endpoints_of
from picluster.ssh.forward import LocalForward
from picluster.ssh.host_keys import HostKeys
from picluster.ssh.session import SshSession
from picluster.ssh.user_config import UserConfig
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.artifacts import Artifacts
from picluster.ui.node_lines import Printer

ROUNDS = 10
MOMENT = 0.002
"""Seconds that a double takes for what takes long in earnest, so that others come meanwhile."""


def quiet(_: object) -> None:
    """Tell nobody."""


# ------------------------------------------------------------------ work that is done once


class SlowlyFound(str):
    """A key that lets other threads come in whenever a dictionary looks for it."""

    __slots__ = ()

    def __hash__(self) -> int:
        time.sleep(0)
        return super().__hash__()


class SlowlyAdded(int):
    """A number that lets other threads come in while it is added to another."""

    def __radd__(self, other: Any) -> Any:
        time.sleep(0)
        return other + int(self)


def test_what_many_ask_for_is_made_once() -> None:
    for _ in range(ROUNDS):
        once: Once[str, object] = Once()
        made: list[object] = []

        def make(made: list[object] = made) -> object:
            time.sleep(MOMENT)
            made.append(object())
            return made[-1]

        found = race(lambda _, once=once, make=make: once.get(SlowlyFound("k3s"), make))
        assert len(made) == 1
        assert set(found) == set(made)


def test_who_waits_fares_as_the_maker_does_and_who_asks_later_has_it_tried_again() -> None:
    once: Once[str, str] = Once()
    attempts: list[str] = []
    waiting = threading.Barrier(THREADS)

    def fail() -> str:
        attempts.append("one")
        time.sleep(20 * MOMENT)
        raise StepFailed("no network")

    def ask(_: int) -> str:
        waiting.wait()
        with pytest.raises(StepFailed, match="no network"):
            once.get("k3s", fail)
        return "told"

    assert race(ask) == ["told"] * THREADS
    assert len(attempts) == 1, "every node waits for the time limit in turn"
    assert once.get("k3s", lambda: "here") == "here"


class _Release(http.server.SimpleHTTPRequestHandler):
    """Gives out files, and counts what is asked for."""

    asked: Counter[str]

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1  # type: ignore[attr-defined]
        time.sleep(MOMENT)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def release(tmp_path: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    """A server with a release of K3s; `asked` counts what is fetched from it."""
    root = tmp_path / "release"
    (root / "v1").mkdir(parents=True)
    (root / "v1/k3s").write_bytes(b"k3s" * 100_000)
    digest = hashlib.sha256((root / "v1/k3s").read_bytes()).hexdigest()
    (root / "v1/sha256sum-amd64.txt").write_text(f"{digest}  k3s\n")
    (root / "install.sh").write_text("#!/bin/sh\n")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Release, directory=str(root))
    )
    server.asked = Counter()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_nodes_that_want_the_same_release_have_it_downloaded_once(
    release: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{release.server_port}"
    artifacts = Artifacts("v1", url, f"{url}/install.sh", None, tmp_path / "cache")

    def stage(_: int) -> tuple[str, str]:
        binary = artifacts.binary("amd64", quiet)
        return binary.sha256, artifacts.install_script(quiet).path.read_text()

    assert len(set(race(stage))) == 1
    wanted = ("/v1/sha256sum-amd64.txt", "/v1/k3s", "/install.sh")
    assert release.asked == dict.fromkeys(wanted, 1)  # type: ignore[attr-defined]


# ------------------------------------------------------------------ questions


def test_a_new_host_key_is_asked_about_once_and_pinned_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All nodes behind one jump host meet its key at the same moment."""
    key = paramiko.ECDSAKey.generate()

    def entry(host: str, port: int) -> str:
        time.sleep(MOMENT)
        return host

    monkeypatch.setattr(host_keys, "host_entry", entry)
    for number in range(ROUNDS):
        asked: list[str] = []

        def agree(node: str, kind: str, print_: str, asked: list[str] = asked) -> bool:
            asked.append(node)
            time.sleep(MOMENT)
            return True

        pins = tmp_path / f"known_hosts-{number}"
        keys = HostKeys(pins, agree, users_files=())
        race(lambda node, keys=keys: keys.check(f"pi{node}", "jump", 22, key))
        assert len(asked) == 1
        assert len(pins.read_text().splitlines()) == 1


def test_many_new_nodes_are_pinned_each_in_a_line_of_its_own(tmp_path: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    pins = tmp_path / "known_hosts"
    keys = HostKeys(pins, lambda *_: True, users_files=())
    race(lambda node: keys.check(f"pi{node}", f"10.0.0.{node}", 22, key))
    entries = [line.split()[0] for line in pins.read_text().splitlines()]
    assert sorted(entries) == sorted(f"10.0.0.{node}" for node in range(THREADS))


def test_one_question_is_on_the_terminal_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = threading.Lock()

    def ask(*_: str) -> Any:
        assert terminal.acquire(blocking=False), "two questions at once"
        time.sleep(MOMENT)
        terminal.release()
        return True

    monkeypatch.setattr(cli_prompts, "_ask", ask)
    monkeypatch.setattr(cli_prompts, "_agree", ask)
    prompts = cli_prompts.Prompts()

    def question(number: int) -> None:
        if number % 2:
            prompts.ask("password: ")
        else:
            prompts.agree("pi1", "ssh-ed25519", "SHA256:...")

    race(question)


def test_a_password_is_asked_for_once(tmp_path: Path) -> None:
    nodes = "".join(f"  - {{name: pi{n}, address: 10.0.0.{n}, role: agent}}\n" for n in range(2, 9))
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "name: home\nssh: {user: pi, password: prompt}\nnodes:\n"
        f"  - {{name: pi1, address: 10.0.0.1, role: server}}\n{nodes}"
    )
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        time.sleep(MOMENT)
        return "raspberry"

    endpoints = list(endpoints_of(load(file).cluster, ask).values())

    def log_in(number: int) -> str:
        password = endpoints[number % len(endpoints)].password
        assert password is not None
        return password().reveal()

    assert set(race(log_in)) == {"raspberry"}
    assert len(asked) == 1


def test_a_key_file_is_read_and_its_passphrase_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = serialization.BestAvailableEncryption(b"open")
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, secret)
    (tmp_path / "key").write_bytes(Ed25519PrivateKey.generate().private_bytes(*formats))
    asked: list[str] = []
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho asked >>{tmp_path}/runs\n")
    ssh.chmod(0o755)

    def ask(question: str) -> str:
        asked.append(question)
        time.sleep(MOMENT)
        return "open"

    monkeypatch.setattr(ssh_connector, "_ATTEMPTS", 1)
    nowhere = {
        f"pi{node}": Endpoint(f"pi{node}", "127.0.0.1", 1, "pi", tmp_path / "key")
        for node in range(THREADS)
    }
    keys = HostKeys(tmp_path / "pins", users_files=())
    connector = SshConnector(nowhere, keys, ask, config=UserConfig(ssh=str(ssh)))

    def connect(node: int) -> None:
        with pytest.raises(Unreachable):
            connector.connect(f"pi{node}")

    race(connect)
    assert len(asked) == 1
    assert (tmp_path / "runs").read_text().split() == ["asked"]


# ------------------------------------------------------------------ connections


_LATER = itertools.cycle(range(4))
"""After how many moments each of several threads notices a loss."""


@dataclass
class Opened:
    """A session that counts nothing and runs nothing; that it is closed is noticed late."""

    node: str
    closed: bool = False

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        if self.closed:
            time.sleep(MOMENT * next(_LATER))
            raise Unreachable("the connection was lost", where=self.node)
        return Completed(0, b"", b"")

    def close(self) -> None:
        self.closed = True

    upload: Any = None
    forward: Any = None


@dataclass
class Network:
    """A connector that remembers every session that it opened."""

    opened: list[Opened] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)

    def connect(self, node: str) -> Session:
        time.sleep(MOMENT)
        self.opened.append(Opened(node))
        return self.opened[-1]


def test_a_node_is_connected_to_once_whoever_wants_it() -> None:
    for _ in range(ROUNDS):
        network = Network()
        sessions = Sessions(network)
        found = race(lambda _, sessions=sessions: sessions.get("pi1"))
        assert len(network.opened) == 1
        assert all(session is network.opened[0] for session in found)


def test_a_lost_connection_is_replaced_once_for_all_who_lost_it() -> None:
    for _ in range(ROUNDS):
        network = Network()
        sessions = Sessions(network)
        lost = sessions.get("pi1")
        lost.close()
        race(lambda _, sessions=sessions: sessions.read("pi1", "true", timeout=1))
        assert len(network.opened) == 2
        assert not network.opened[1].closed, "a thread closed what another had just opened"


def test_no_connection_outlives_the_end_of_a_run() -> None:
    for _ in range(ROUNDS):
        network = Network()
        sessions = Sessions(network)

        def connect(number: int, sessions: Sessions = sessions) -> None:
            if number == 0:
                sessions.abort()
            else:
                with contextlib.suppress(NodeError):
                    sessions.get(f"pi{number}")

        race(connect)
        assert [session.node for session in network.opened if not session.closed] == []


def test_what_is_spent_on_the_network_is_counted_to_the_last() -> None:
    traffic = Traffic()

    def spend(_: int) -> None:
        for _ in range(50):
            traffic.add(scripts=SlowlyAdded(1), bytes_sent=SlowlyAdded(3))

    race(spend)
    assert (traffic.scripts, traffic.bytes_sent) == (THREADS * 50, THREADS * 150)


@dataclass
class Tunnel:
    """A forwarded port that is open until it is closed."""

    closed: bool = False

    def close(self) -> None:
        self.closed = True


def test_no_tunnel_outlives_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(ROUNDS):
        tunnels: list[Tunnel] = []

        def dig(*_: object, tunnels: list[Tunnel] = tunnels) -> Tunnel:
            tunnel = Tunnel()
            time.sleep(MOMENT)
            tunnels.append(tunnel)
            return tunnel

        monkeypatch.setattr(ssh_session, "LocalForward", dig)
        connection: Any = Opened("pi1")
        session = SshSession(Endpoint("pi1", "10.0.0.1"), "pi", connection, connection, Traffic())

        def use(number: int, session: SshSession = session) -> None:
            if number == THREADS // 2:
                session.close()
            else:
                with contextlib.suppress(Unreachable):
                    session.forward("127.0.0.1", 6443)

        race(use)
        assert all(tunnel.closed for tunnel in tunnels)


class Transport:
    """Opens a channel on which the other end says nothing."""

    def __init__(self) -> None:
        self.ends = socket.socketpair()

    def open_channel(self, *_: object, **__: object) -> socket.socket:
        return self.ends[0]

    def close(self) -> None:
        for end in self.ends:
            end.close()


def test_what_comes_through_a_tunnel_that_was_just_closed_is_closed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread that is to serve a connection may begin after everything was closed."""
    accepted, closed = threading.Event(), threading.Event()

    class Late(threading.Thread):
        def run(self) -> None:
            if self._args:  # type: ignore[attr-defined]
                accepted.set()
                assert closed.wait(5)
            super().run()

    monkeypatch.setattr(threading, "Thread", Late)
    transport = Transport()
    forward = LocalForward(transport, "127.0.0.1", 6443)  # type: ignore[arg-type]
    with socket.create_connection(("127.0.0.1", forward.port)) as local:
        assert accepted.wait(5)
        forward.close()
        closed.set()
        local.settimeout(5)
        assert local.recv(1) == b""
    transport.close()


# ------------------------------------------------------------------ the state of a run


def finished(target: str) -> StepFinished:
    return StepFinished(
        phase="k3s", target=target, step="k3s", title="", outcome="ok", seconds=SlowlyAdded(1)
    )


def test_every_step_of_every_node_is_counted() -> None:
    run = RunState(Sessions(Network()), quiet)

    def work(number: int) -> None:
        for _ in range(50):
            run.count(finished(f"pi{number % 4}"))
            run.tallies()

    race(work)
    assert {tally.target: (tally.ok, tally.seconds) for tally in run.tallies()} == {
        f"pi{number}": (THREADS // 4 * 50, THREADS // 4 * 50.0) for number in range(4)
    }


def test_the_lock_of_the_cluster_is_taken_once_and_holds_nobody_up_who_only_counts() -> None:
    for _ in range(ROUNDS):
        taken: list[str] = []
        counted = threading.Event()
        run = RunState(Sessions(Network()), quiet)

        def take(taken: list[str] = taken, counted: threading.Event = counted) -> None:
            assert counted.wait(1), "counting waits for the lock"
            taken.append("lock")

        run.take_lock = take

        def work(number: int, run: RunState = run, counted: threading.Event = counted) -> bool:
            if number == 0:
                time.sleep(MOMENT)
                run.count(finished("pi1"))
                counted.set()
            return run.ensure_lock()

        assert sum(race(work)) == 1
        assert len(taken) == 1


# ------------------------------------------------------------------ the cluster's API


@dataclass
class Links:
    """Counts the links to each server, and the looks whether it is ready.

    Those that are `down` fail, sooner or later, whenever something else is asked.
    """

    opened: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    down: set[str] = field(default_factory=set)

    def open(self, server: Server, *_: object, **__: object) -> Any:
        time.sleep(MOMENT)
        self.opened[server.node] += 1
        return Link(server, self)


@dataclass
class Link:
    server: Server
    links: Links
    via: str = "tunnel"

    def send(self, request: Request) -> HttpAnswer:
        if request.path == "/readyz":
            self.links.looks[self.server.node] += 1
        elif self.server.node in self.links.down:
            time.sleep(MOMENT * next(_LATER))
            raise LinkDown("cut")
        else:
            self.links.asked[request.path] += 1
            time.sleep(MOMENT)
        return HttpAnswer(200, b"{}", {"content-type": "application/json"})

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture(scope="module")
def admin() -> str:
    authority = Authority()
    return k3s_yaml(authority, authority.issue("system:admin"))


def test_one_link_to_a_server_serves_all_threads(
    admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(ROUNDS):
        links = Links()
        monkeypatch.setattr(kube_client, "open_link", links.open)
        access = KubeAccess([Server("s1"), Server("s2")], lambda _: Opened("s1"), admin)
        race(lambda _, access=access: access.call("GET", "/api/v1/nodes"))
        assert links.opened == {"s1": 1}
        pinned = race(lambda _, access=access: access.at("s2"))
        assert all(each is pinned[0] for each in pinned)


def test_threads_that_lose_one_link_share_the_next(
    admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(ROUNDS):
        links = Links(down={"s1"})
        monkeypatch.setattr(kube_client, "open_link", links.open)
        servers = [Server("s1"), Server("s2"), Server("s3")]
        access = KubeAccess(servers, lambda _: Opened("s1"), admin, pause=quiet)
        race(lambda _, access=access: access.call("GET", "/api/v1/nodes"))
        assert links.opened == links.looks == {"s1": 1, "s2": 1}


def test_the_credentials_are_fetched_once_for_all_nodes(
    admin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_client, "open_link", Links().open)

    def answer(script: str) -> str:
        time.sleep(MOMENT)
        return admin

    for number in range(ROUNDS):
        node = NodeAnswers(answer, "s1")
        api = ClusterApi((Server("s1"),), node.sessions, tmp_path / f"kubeconfig-{number}")
        found = race(lambda _, api=api: api.access())
        assert all(access is found[0] for access in found)
        assert len(node.scripts) == 1


def test_nodes_that_are_asked_about_at_once_are_read_together(
    admin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(ROUNDS):
        links = Links()
        monkeypatch.setattr(kube_client, "open_link", links.open)
        node = NodeAnswers(lambda _: admin, "s1")
        api = ClusterApi((Server("s1"),), node.sessions, tmp_path / f"kubeconfig-{number}")
        race(lambda n, api=api: api.node(f"pi{n}"))
        # Whoever asked while the first was reading shares the second.
        assert links.asked.keys() == {"/api/v1/nodes"}
        assert links.asked.total() <= 3


def test_nobody_is_told_what_was_read_before_it_asked() -> None:
    for _ in range(ROUNDS):
        now = itertools.count()
        together = Together(lambda now=now: (time.sleep(MOMENT), next(now))[1])

        def look(_: int, together: Together[int] = together, now: Any = now) -> tuple[int, int]:
            return next(now), together.get()

        assert all(before < read for before, read in race(look))


def test_a_reading_that_fails_fails_whoever_began_it_alone() -> None:
    answers = iter([OSError("cut"), 1, 2])

    def read() -> int:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    together = Together(read)
    with pytest.raises(OSError, match="cut"):
        together.get()
    assert [together.get(), together.get()] == [1, 2]


# ------------------------------------------------------------------ output


def test_lines_of_many_nodes_are_printed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    class Paper:
        """A stream that lets others come in after every piece."""

        def __init__(self) -> None:
            self.text = ""

        def write(self, piece: str) -> None:
            before = self.text
            time.sleep(0)
            self.text = before + piece

        def flush(self) -> None:
            """It is there already."""

    paper = Paper()
    monkeypatch.setattr("sys.stdout", paper)
    printer = Printer()

    def say(number: int) -> None:
        for line in range(5):
            printer.hear(f"pi{number}", "stdout", f"line {line}".encode())
            printer.hear(f"pi{number}", "stdout", b"\n")
        printer.ended(f"pi{number}", 0)

    race(say)
    assert Counter(paper.text.splitlines()) == {
        f"pi{number}: line {line}": 1 for number in range(THREADS) for line in range(5)
    }
