"""On a machine with several interfaces, pods' traffic goes by the one with the node's address."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.unit.steps.looking import known, look_at, printed

from picluster.engine.step import Change, Satisfied, WriteFile
from picluster.facts.files import FileState
from picluster.facts.interfaces import INTERFACES
from picluster.model import parse
from picluster.steps.k3s.config import ConfigFile
from picluster.steps.k3s.state import STATE, K3sState

WIFI = "3: wlan0    inet 192.168.1.50/24 brd 192.168.1.255 scope global dynamic wlan0\\       valid"
CABLE = "2: eth0    inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0\\       valid_lft forever"
CABLE6 = "2: eth0    inet6 fd00::1/64 scope global \\       valid_lft forever"
VIP = "3: wlan0    inet 192.168.1.100/32 scope global wlan0\\       valid_lft forever"
PODS = "9: cni0    inet 10.42.0.1/24 brd 10.42.0.255 scope global cni0\\       valid_lft forever"
BRIDGE = "5: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0\\       valid"


def step(more: str = "", address: str = "10.0.0.1") -> ConfigFile:
    text = f"name: c\nnodes:\n- {{name: pi1, address: '{address}', role: server}}\n{more}"
    cluster = parse(text).cluster
    return ConfigFile(cluster, cluster.nodes[0])


def written(of: ConfigFile, *lines: str, before: str = "", seen: bool = True) -> str | None:
    """Return the `flannel-iface` that the node gets, with these lines of `ip -o addr`."""
    own = known(**{of.name: FileState("600 root:root", "", before) if before else FileState()})
    facts = own | {STATE.name: known(x=K3sState())["x"]}
    if seen:
        facts |= printed(INTERFACES, *lines)
    decision = of.decide(look_at(of, facts))
    if decision == Satisfied():
        return options(before).get("flannel-iface")
    assert isinstance(decision, Change)
    (write,) = decision.actions
    assert isinstance(write, WriteFile)
    return options(str(write.content)).get("flannel-iface")


def options(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text))


@pytest.mark.parametrize("lines", [(CABLE, WIFI), (WIFI, CABLE), (WIFI, CABLE, PODS)])
def test_with_wifi_and_a_cable_it_is_the_one_with_the_nodes_address(lines: tuple[str, ...]) -> None:
    assert written(step(), *lines) == "eth0"
    assert written(step(address="192.168.1.50"), *lines) == "wlan0"


@pytest.mark.parametrize("more", [(), (PODS, BRIDGE), (VIP,), (CABLE6,)])
def test_with_one_interface_nothing_needs_to_be_named(more: tuple[str, ...]) -> None:
    assert written(step(), CABLE, *more) is None


def test_addresses_of_the_other_kind_are_no_second_way() -> None:
    v6 = "k3s: {cluster_cidr: 'fd42::/56', service_cidr: 'fd43::/112'}\n"
    assert written(step(v6, "fd00::1"), CABLE6, WIFI) is None


def test_one_that_stands_there_stays_while_it_has_the_address() -> None:
    before = "flannel-iface: eth0\n"
    assert written(step(), CABLE, before=before) == "eth0"
    assert written(step(), before=before, seen=False) == "eth0"
    moved = CABLE.replace("eth0", "end0")
    assert written(step(), moved, WIFI, before=before) == "end0"
    assert written(step(), moved, before=before) is None


def test_what_the_file_names_is_what_counts() -> None:
    assert written(step("k3s: {flannel_iface: wlan0}\n"), CABLE, WIFI) == "wlan0"
    assert written(step("k3s: {flannel_backend: none}\n"), CABLE, WIFI) is None


def test_a_node_that_is_known_by_name_is_left_to_k3s() -> None:
    assert written(step(address="pi1.lan"), CABLE, WIFI) is None


def test_interfaces_that_nobody_has_seen_are_not_guessed() -> None:
    assert written(step(), seen=False) is None
