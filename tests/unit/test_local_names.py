"""Names that only the local network knows: nodes are told addresses, which are remembered."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from tests.unit.steps.looking import known, look_at

from picluster.engine.step import Blocked, Change, WriteFile
from picluster.facts.files import FileState
from picluster.local_names import LookUp, with_addresses
from picluster.model import Cluster, parse
from picluster.phases.prepare import prepare
from picluster.steps.host.hosts import HostsFile
from picluster.steps.k3s.config import ConfigFile
from picluster.steps.k3s.registries import render_registries
from picluster.steps.k3s.state import STATE, K3sState

FILE = """
name: c
nodes:
- {name: pi1, address: pi1.local, role: server}
- {name: pi2, address: 10.0.0.2, role: agent}
- {name: pi3, address: pi3.local, role: agent}
registry: {node: pi1}
"""
ADDRESSES = {"pi1.local": "10.0.0.1", "pi3.local": "10.0.0.3"}


def answering(names: Mapping[str, str], asked: list[str] | None = None) -> LookUp:
    def ask(name: str, version: int) -> str | None:
        if asked is not None:
            asked.append(f"{name}/{version}")
        return names.get(name)

    return ask


def cluster(text: str = FILE) -> Cluster:
    return parse(text).cluster


def decided(of: Cluster, node: str) -> object:
    step = ConfigFile(of, of.node(node))
    facts = known(**{step.name: FileState()}) | known(**{STATE.name: K3sState()})
    return step.decide(look_at(step, facts))


def options(of: Cluster, node: str) -> dict[str, object]:
    decision = decided(of, node)
    assert isinstance(decision, Change)
    (write,) = decision.actions
    assert isinstance(write, WriteFile)
    return dict(yaml.safe_load(str(write.content)))


def test_k3s_and_hosts_files_are_told_addresses(tmp_path: Path) -> None:
    found = with_addresses(cluster(), tmp_path / "addresses.json", answering(ADDRESSES))
    assert options(found, "pi2")["server"] == "https://10.0.0.1:6443"
    server = options(found, "pi1")
    assert server["node-ip"] == "10.0.0.1"
    assert server["tls-san"] == ["pi1.local", "10.0.0.1", "pi1"]
    (hosts, *_) = [s for s in prepare(found).steps_for("pi2") if isinstance(s, HostsFile)]
    assert ("10.0.0.3", "pi3") in hosts.entries
    assert ".local" not in render_registries(found)
    assert found.node("pi1").address == "pi1.local", "SSH goes by the name still"


def test_a_node_that_is_off_keeps_the_address_that_it_had(tmp_path: Path) -> None:
    remembered = tmp_path / "addresses.json"
    with_addresses(cluster(), remembered, answering(ADDRESSES))
    assert stat.S_IMODE(remembered.stat().st_mode) == 0o600
    later = with_addresses(cluster(), remembered, answering({"pi3.local": "10.0.0.33"}))
    assert [later.inside(node) for node in later.nodes] == ["10.0.0.1", "10.0.0.2", "10.0.0.33"]


@pytest.mark.parametrize("text", ["{", "[]", '{"pi1.local": "nonsense"}'])
def test_a_damaged_memory_is_none(tmp_path: Path, text: str) -> None:
    remembered = tmp_path / "addresses.json"
    remembered.write_text(text)
    found = with_addresses(cluster(), remembered, answering({}))
    assert found.node("pi1").k3s.node_ip is None


def test_a_name_that_nobody_answers_for_reaches_no_configuration(tmp_path: Path) -> None:
    found = with_addresses(cluster(), tmp_path / "addresses.json", answering({}))
    for node in ("pi1", "pi2"):
        decision = decided(found, node)
        assert isinstance(decision, Blocked)
        assert "pi1.local" in decision.reason
        assert "k3s.node_ip" in decision.fix


def test_nothing_is_asked_for_other_names_or_where_the_file_has_the_address(tmp_path: Path) -> None:
    asked: list[str] = []
    text = FILE.replace("pi1.local", "pi1.lan").replace(
        "pi3.local, role: agent", "pi3.local, role: agent, k3s: {node_ip: 10.0.0.3}"
    )
    with_addresses(cluster(text), tmp_path / "addresses.json", answering({}, asked))
    assert asked == []


def test_addresses_are_of_the_pods_kind(tmp_path: Path) -> None:
    asked: list[str] = []
    v6 = "k3s: {cluster_cidr: 'fd42::/56', service_cidr: 'fd43::/112'}\n"
    with_addresses(cluster(FILE + v6), tmp_path / "addresses.json", answering({}, asked))
    assert sorted(asked) == ["pi1.local/6", "pi3.local/6"]
