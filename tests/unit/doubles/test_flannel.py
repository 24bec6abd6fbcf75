"""What the stand-in's flannel does as nodes come and go; the facts are in its docstring."""

from __future__ import annotations

import pytest
from tests.doubles.k3s.flannel import Lease, changes, free_subnet, leases

TWO: Lease = ("10.42.1.0/24", "10.0.0.2")
THREE: Lease = ("10.42.2.0/24", "10.0.0.3")


def node(name: str, subnet: str, address: str) -> dict[str, object]:
    return {
        "metadata": {"name": name},
        "spec": {"podCIDR": subnet},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


@pytest.mark.parametrize(
    ("backend", "way"),
    [
        ("host-gw", "10.42.1.0/24 via 10.0.0.2"),
        ("vxlan", "10.42.1.0/24 via 10.42.1.0 dev flannel.1 onlink"),
    ],
)
def test_a_node_that_comes_gets_a_route_and_loses_it_when_it_is_deleted(
    backend: str, way: str
) -> None:
    assert changes(backend, {}, {"pi2": TWO}) == [["ip", "route", "replace", *way.split()]]
    assert changes(backend, {"pi2": TWO}, {"pi2": TWO}) == []
    assert changes(backend, {"pi2": TWO}, {}) == [["ip", "route", "del", *way.split()]]


def test_what_left_while_flannel_did_not_run_is_not_removed() -> None:
    started_anew: dict[str, Lease] = {}
    assert all("del" not in each for each in changes("host-gw", started_anew, {"pi3": THREE}))


def test_wireguard_has_one_route_for_all() -> None:
    assert changes("wireguard-native", {}, {"pi2": TWO}) == []


def test_every_node_has_a_network_of_its_own() -> None:
    nodes = [node("pi1", "10.42.0.0/24", "10.0.0.1"), node("pi2", *TWO)]
    assert free_subnet("10.42.0.0/16", nodes) == "10.42.2.0/24"
    assert free_subnet("fd00:42::/56", []) == "fd00:42::/64"
    strange = {"metadata": {"name": "made by hand"}}
    assert leases([*nodes, strange]) == {"pi1": ("10.42.0.0/24", "10.0.0.1"), "pi2": TWO}
