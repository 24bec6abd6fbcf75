"""OpenTAKServer's doors: how they are asked, and what counts as an answer."""

from __future__ import annotations

import json
import random
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.k3s.machines import loopback_net
from tests.doubles.progress import ProgressDouble
from tests.lab import doors_double

from picluster.apps.opentakserver.manifests import SERVER, PinnedImages, objects
from picluster.apps.opentakserver.reachable import (
    Answers,
    AnswersAfterChange,
    AwaitDoors,
    Doors,
    doors,
    shortcomings,
    with_tls,
)
from picluster.engine.place import Place, Tools
from picluster.engine.pool import Sessions
from picluster.engine.probe import Observation
from picluster.engine.session import Completed
from picluster.engine.step import Change, Satisfied
from picluster.engine.survey import Look
from picluster.errors import WaitFailed
from picluster.model.opentakserver import OpenTakServer, Ports, SocketIo

HANDSHAKE = "0" + json.dumps({"sid": "x", "pingTimeout": 60000, "pingInterval": 25000})
GOOD = Doors("200", "200", HANDSHAKE, {"marti": "400", "enrolment": "404"})
ALL = OpenTakServer(ports=Ports(marti="31443", enrolment="31446"))
ASKED = ["GET /", "GET /api/health", "GET /socket.io/?EIO=4&transport=polling"]


def test_all_doors_open_is_no_shortcoming() -> None:
    assert shortcomings(OpenTakServer(), GOOD) == []
    assert shortcomings(ALL, GOOD) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"health": "502"}, "/api/health answers 502"),
        ({"health": "000"}, "/api/health answers nothing"),
        ({"page": "404"}, "the web interface answers 404"),
        ({"handshake": '"Not an accepted origin"'}, "refuses a browser's handshake"),
        ({"handshake": ""}, "refuses a browser's handshake"),
        (
            {"handshake": '0{"pingTimeout": 20000, "pingInterval": 25000}'},
            "pings by 20000/25000 ms, not 60000/25000",
        ),
        ({"tls": {"marti": "000", "enrolment": "404"}}, "nobody answers on port 31443 (marti)"),
        ({"tls": {"marti": "400"}}, "nobody answers on port 31446 (enrolment)"),
    ],
)
def test_a_door_that_is_shut_is_named(changed: dict[str, Any], said: str) -> None:
    (found,) = shortcomings(ALL, replace(GOOD, **changed))
    assert said in found


def test_the_times_wanted_are_those_of_the_cluster_file() -> None:
    slow = OpenTakServer(socketio=SocketIo(ping_timeout="90s"))
    assert "not 90000/25000" in shortcomings(slow, GOOD)[0]


def test_doors_that_are_closed_in_the_file_are_not_asked() -> None:
    assert with_tls(OpenTakServer()) == {}
    assert "https:" not in doors(OpenTakServer(), "10.0.0.1").text


# ------------------------------------------------------------------ asked by a node's shell


@dataclass
class House:
    """A double of the doors; `heard` is all that was asked, on any of them."""

    address: str
    heard: list[str] = field(default_factory=list)


@contextmanager
def house(tls: ssl.SSLContext, *, streams: bool = True) -> Iterator[House]:
    found = House(f"{loopback_net()}.1")
    tell = found.heard.append
    ports = ALL.ports
    opened = [
        doors_double.web(found.address, ports.web, tell),
        doors_double.web(found.address, 31443, tell, tls),
        doors_double.web(found.address, 31446, tell, tls),
    ]
    if streams:
        taken = (ports.tcp, ports.ssl)
        opened += [doors_double.stream(found.address, port, tell) for port in taken]
    try:
        yield found
    finally:
        for server in opened:
            server.shutdown()
            server.server_close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    place = tmp_path_factory.mktemp("tls")
    made = ["-keyout", str(place / "key"), "-out", str(place / "cert"), "-subj", "/CN=double"]
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run([*words, "-nodes", "-days", "1", *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "cert", place / "key")
    return context


class Node:
    """A node whose shell is this computer's; it is its connector, too."""

    traffic: Any = None

    def __init__(self) -> None:
        self.scripts = 0

    def connect(self, name: str) -> Any:
        return self

    def run(self, script: str, **given: Any) -> Completed:
        self.scripts += 1
        done = subprocess.run(["sh", "-c", script], capture_output=True, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)


def asked(address: str) -> Doors:
    probe = doors(ALL, address)
    done = Node().run(probe.text)
    return probe.parse(Observation(done.status, done.out.decode()))


def test_each_door_of_nginx_is_asked_once_and_no_stream_of_devices_at_all(
    tls: ssl.SSLContext,
) -> None:
    """Whoever connects to a stream and goes leaves a traceback in the application's log."""
    with house(tls) as found:
        assert shortcomings(ALL, asked(found.address)) == []
        assert sorted(found.heard) == sorted([*ASKED, "GET / (tls)", "GET / (tls)"])


def test_after_a_change_the_doors_are_waited_for(tls: ssl.SSLContext) -> None:
    node, progress = Node(), ProgressDouble()
    with house(tls) as found:
        place = Place("pi1", Sessions(node), Tools(), progress)
        AwaitDoors(ALL, found.address, 60).perform(place)
        assert node.scripts == 1
    with pytest.raises(WaitFailed, match="does not answer") as caught:
        AwaitDoors(ALL, found.address, 4).perform(place)
    assert "nobody answers on port 31443 (marti)" in caught.value.why


# ------------------------------------------------------------------ when


def look(seen: Doors | None = None, *changing: str) -> Look:
    survey = {"pi1": {"opentakserver-answers": seen} if seen else {}}
    return Look("pi1", "opentakserver-answers", survey, frozenset(("x", each) for each in changing))


def test_no_door_is_asked_while_nothing_changes() -> None:
    step = AnswersAfterChange(ALL, "10.0.0.1", 60, after=("objects",))
    assert step.probe() is None
    assert step.decide(look(None, "another")) == Satisfied()
    change = step.decide(look(None, "objects"))
    assert isinstance(change, Change)
    assert change.actions == (AwaitDoors(ALL, "10.0.0.1", 60),)


def test_validate_tells_what_does_not_answer() -> None:
    step = Answers(ALL, "10.0.0.1", 60)
    assert step.decide(look(GOOD)) == Satisfied()
    change = step.decide(look(replace(GOOD, page="502")))
    assert isinstance(change, Change)
    assert change.reason == "the web interface answers 502"


def free_ports() -> tuple[int, int]:
    """Return two NodePorts on which nobody listens, on whatever address."""
    taken = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    free = [port for port in range(30000, 32768) if f":{port:04X} " not in taken]
    first, second = random.sample(free, 2)
    return first, second


def test_a_pod_is_ready_when_its_streams_listen_without_being_connected_to() -> None:
    tcp, with_ssl = free_ports()
    ots = OpenTakServer(ports=Ports(tcp=str(tcp), ssl=str(with_ssl)))
    made = objects(ots, PinnedImages("server", "ui", "database", "broker"), None)
    (pod,) = (
        each
        for each in made
        if each["metadata"]["name"] == SERVER and "replicas" in each.get("spec", {})
    )
    probes = {
        each["name"]: each["readinessProbe"]["exec"]["command"]
        for each in pod["spec"]["template"]["spec"]["containers"]
        if each["name"].startswith("eud-")
    }
    assert set(probes) == {"eud-tcp", "eud-ssl"}
    heard: list[str] = []

    def listens(command: list[str]) -> bool:
        return subprocess.run(command, check=False).returncode == 0

    address = f"{loopback_net()}.2"
    assert not listens(probes["eud-tcp"])
    server = doors_double.stream(address, tcp, heard.append)
    try:
        assert listens(probes["eud-tcp"])
        assert not listens(probes["eud-ssl"])
        assert not heard
    finally:
        server.shutdown()
        server.server_close()
