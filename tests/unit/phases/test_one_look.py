"""A run that finds everything as it should be: what it asks, and how often the wire is crossed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import pytest
from tests.doubles.relay import Relay, relayed
from tests.unit.hostile.bench import RELEASE, THREE_SERVERS, Home, Outcome, authority, carry_out
from tests.unit.kube.kube_double import FakeApi, Store

from picluster.engine.events import Connected, RunFinished
from picluster.kube.api import NOTES
from picluster.kube.nodes import NODES
from picluster.phases.catalog import PHASES

DELAY = 0.1
"""Seconds each way: more than what is done here between two words, so that those count alone."""


@dataclass
class Far:
    """Three servers behind long wires, and how deep each was in answers at some moments."""

    home: Home
    apis: dict[str, FakeApi]
    wires: dict[str, Relay]
    login: dict[str, int] = field(default_factory=dict)
    end: dict[str, int] = field(default_factory=dict)

    def hear(self, event: object) -> None:
        depths = {name: wire.round_trips for name, wire in self.wires.items()}
        if isinstance(event, Connected):
            self.login = depths
        elif isinstance(event, RunFinished):
            self.end = depths

    @property
    def asked(self) -> Counter[str]:
        """What the API was asked for, by all who did."""
        return Counter(request for api in self.apis.values() for request in api.requests)

    def carry_out(self, command: str) -> Outcome:
        outcome = carry_out(self.home, command, self.hear)
        changes = {name: node.well.actions for name, node in self.home.nodes.items()}
        assert (outcome.code, outcome.done) == (0, set()), (outcome.told, changes)
        return outcome


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    home = Home(tmp_path, key, THREE_SERVERS, bad_one="")
    monkeypatch.setattr("tests.unit.hostile.bench.PENDING", {})
    monkeypatch.setattr("tests.unit.hostile.bench._PHASES", tuple(PHASES))
    monkeypatch.setattr("picluster.engine.observe.compile_probes", home.notes.compile_probes)
    monkeypatch.setattr("picluster.engine.apply.compile_actions", home.notes.compile_actions)
    store, apis, wires = Store(), dict[str, FakeApi](), dict[str, Relay]()
    roles = ("control-plane", "etcd")
    with ExitStack() as stack:
        stack.callback(home.close)
        for name, node in home.nodes.items():
            store.node(name, version=RELEASE, roles=roles, voter="True")
            apis[name] = FakeApi(authority(), store)
            stack.callback(apis[name].close)
            node.api = apis[name].port
            home.doors[name], wires[name] = stack.enter_context(
                relayed(("127.0.0.1", node.port), DELAY)
            )
        yield Far(home, apis, wires)


def test_up_asks_each_node_once_and_the_api_once_for_each_thing(far: Far) -> None:
    far.carry_out("up")
    assert far.asked == {f"GET {NODES}": 1, f"GET {NOTES}": 1}
    assert {name: len(node.calls) for name, node in far.home.nodes.items()} == dict.fromkeys(
        far.home.nodes, 1
    )


def test_up_is_three_round_trips_beyond_the_login(far: Far) -> None:
    """The script takes three; the way to the API, TLS in it, and its answer take them meanwhile."""
    far.carry_out("up")
    spent = {name: depth - far.login[name] for name, depth in far.end.items()}
    assert max(spent.values()) <= 3, f"beyond the login: {spent}, the login: {far.login}"
    assert min(far.login.values()) > 3, "the relay missed the login"
