"""OpenTAKServer's doors: what counts as an answer."""

from __future__ import annotations

import json

import pytest

from picluster.apps.opentakserver.reachable import shortcomings, streams
from picluster.model.opentakserver import OpenTakServer, Ports, SocketIo

GOOD = {
    "health": "200",
    "page": "200",
    "socketio": "0" + json.dumps({"sid": "x", "pingTimeout": 60000, "pingInterval": 25000}),
    "tcp": "0.000214",
    "ssl": "0.000198",
}


def test_all_doors_open_is_no_shortcoming() -> None:
    assert shortcomings(OpenTakServer(), GOOD) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"health": "502"}, "/api/health answers 502"),
        ({"health": "000"}, "/api/health answers nothing"),
        ({"page": "404"}, "the web interface answers 404"),
        ({"socketio": '"Not an accepted origin"'}, "refuses a browser's handshake"),
        ({"socketio": ""}, "refuses a browser's handshake"),
        (
            {"socketio": '0{"pingTimeout": 20000, "pingInterval": 25000}'},
            "pings by 20000/25000 ms, not 60000/25000",
        ),
        ({"tcp": "0.000000"}, "nobody listens on port 31088"),
        ({"ssl": ""}, "nobody listens on port 31089"),
    ],
)
def test_a_door_that_is_shut_is_named(changed: dict[str, str], said: str) -> None:
    (found,) = shortcomings(OpenTakServer(), GOOD | changed)
    assert said in found


def test_the_times_wanted_are_those_of_the_cluster_file() -> None:
    slow = OpenTakServer(socketio=SocketIo(ping_timeout="90s"))
    assert "not 90000/25000" in shortcomings(slow, GOOD)[0]


def test_optional_ports_are_asked_too() -> None:
    ots = OpenTakServer(ports=Ports(marti="31443", enrolment="31446"))
    assert streams(ots) == {"tcp": 31088, "ssl": 31089, "marti": 31443, "enrolment": 31446}
    assert len(shortcomings(ots, GOOD)) == 2
