"""Readings of nodes and of /readyz."""

from __future__ import annotations

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from tests.unit.kube.kube_double import Cluster, node

from picluster.kube.health import failing_checks
from picluster.kube.nodes import (
    Taint,
    as_objects,
    delete_node,
    get_node,
    list_nodes,
    node_path,
    node_state,
)


def test_the_double_makes_valid_nodes() -> None:
    kubernetes_validate.validate(node("s1", roles=("etcd",), voter="True"), "1.32", strict=True)


def test_a_server_is_read_whole() -> None:
    seen = node_state(
        node(
            "s1",
            roles=("control-plane", "etcd", "master"),
            voter="True",
            labels={"tier": "gold"},
            taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}],
            conditions=(("DiskPressure", "True"), ("MemoryPressure", "False")),
        )
    )
    assert seen.ready
    assert seen.ready_reason == ""
    assert seen.is_server
    assert seen.voter is True
    assert not seen.learner
    assert seen.version == "v1.32.3+k3s1"
    assert seen.labels["tier"] == "gold"
    assert seen.taints == (Taint("k", "v", "NoSchedule"),)
    assert seen.addresses == {"InternalIP": "192.0.2.1"}
    assert seen.pressures == ("DiskPressure",)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ()),
        ({"podCIDR": "10.42.0.0/24"}, ("10.42.0.0/24",)),
        (
            {"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24", "fd00:42::/64"]},
            ("10.42.0.0/24", "fd00:42::/64"),
        ),
    ],
)
def test_the_networks_of_its_pods_are_read(
    spec: dict[str, object], expected: tuple[str, ...]
) -> None:
    assert node_state({"metadata": {"name": "s1"}, "spec": spec}).pod_cidrs == expected


def test_a_learner_is_no_voter() -> None:
    seen = node_state(node("s2", roles=("etcd",), voter="False"))
    assert seen.voter is False
    assert seen.learner


def test_an_agent_says_nothing_about_voting() -> None:
    seen = node_state(node("a1"))
    assert seen.voter is None
    assert not seen.is_server


@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_why_a_node_is_not_ready(status: str) -> None:
    seen = node_state(node("a1", ready=status, reason="NodeStatusUnknown"))
    assert not seen.ready
    assert seen.ready_reason == "NodeStatusUnknown: kubelet says"


def test_a_bare_node_is_read_too() -> None:
    seen = node_state({"metadata": {"name": "new"}, "spec": None})
    assert seen.ready_reason == "it has not reported yet"
    assert seen.version == ""


def test_nodes_are_listed_got_and_deleted(cluster: Cluster) -> None:
    cluster.store.node("b")
    cluster.store.node("a")
    assert list(list_nodes(cluster.access)) == ["a", "b"]
    assert get_node(cluster.access, "a") is not None
    assert get_node(cluster.access, "zz") is None
    assert delete_node(cluster.access, "a")
    assert not delete_node(cluster.access, "a")
    assert list(list_nodes(cluster.access)) == ["b"]


def test_a_name_never_becomes_a_path() -> None:
    assert node_path("a/../b") == "/api/v1/nodes/a%2F..%2Fb"


def test_taints_are_written_as_they_were_read() -> None:
    listed = [
        {"key": "a", "effect": "NoSchedule"},
        {"key": "b", "value": "x", "effect": "NoExecute", "timeAdded": "2025-01-01T00:00:00Z"},
    ]
    assert as_objects(node_state(node("n", taints=listed)).taints) == listed


def test_failing_checks_are_named() -> None:
    lines = ["[+]ping ok", "[-]etcd failed: reason withheld", "[-]poststarthook/x failed: y"]
    assert failing_checks("\n".join([*lines, "check failed"])) == ("etcd", "poststarthook/x")


@pytest.mark.parametrize(
    ("text", "reported"),
    [("2026-01-02T03:04:05Z", 1767323045.0), (None, None), ("yesterday", None)],
)
def test_when_the_kubelet_last_reported_is_read(text: str | None, reported: float | None) -> None:
    status = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": text}]}
    assert node_state({"status": status}).reported == reported
