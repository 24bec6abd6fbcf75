"""Whether a node was heard lately: its Lease, by the clock of whoever stored the renewal."""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from tests.doubles.api_in_memory import ApiInMemory

from picluster.kube.leases import LEASES, Lease, Life, lease_of, life_of, read_lease
from picluster.kube.nodes import NodeState, list_nodes

NOW = 1767323045.0  # 2026-01-02T03:04:05Z
KEPT = "2026-01-02T03:04:00.123456Z"
LONG_AGO = "2026-01-02T03:01:00.000000Z"


def lease(name: str, renewed: str | None, written: str = "", **spec: Any) -> dict[str, Any]:
    """Make a Lease as a kubelet writes it, stored at `written` by the API server's clock."""
    entry = {"manager": "k3s", "operation": "Update", "time": written}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "managedFields": [entry] if written else []},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed} | spec,
    }


def test_the_double_makes_valid_leases() -> None:
    made = lease("pi1", KEPT, "2026-01-02T03:04:00Z")
    kubernetes_validate.validate(made, "1.32", strict=True)


def test_a_lease_is_read_whole() -> None:
    seen = lease_of(lease("pi1", KEPT, "2026-01-02T03:04:01Z", leaseDurationSeconds=60))
    assert seen == Lease("pi1", pytest.approx(NOW - 4.876544), NOW - 4, 60)


@pytest.mark.parametrize("renewed", [None, "soon", 7])
def test_a_lease_that_was_never_renewed_says_nothing(renewed: Any) -> None:
    assert lease_of(lease("pi1", renewed)) is None


# Seconds before now: when it was renewed by the node's clock, when that was stored, and how long
# the node is silent.
@pytest.mark.parametrize(
    ("renewed", "written", "silent"),
    [
        (5, 5, 5),
        (5, None, 5),
        (300, 5, 5),  # the node's clock is behind
        (-3600, 5, 5),  # the node's clock is ahead
        (300, 300, 300),
        (-3600, 300, 300),  # the same, and it is dead: its word from the future is no life
        (-5, -5, 0),  # within what clocks may differ by
    ],
)
def test_silence_is_measured_without_the_nodes_clock(
    renewed: float, written: float | None, silent: float
) -> None:
    kept = Lease("pi1", NOW - renewed, None if written is None else NOW - written)
    assert life_of(kept, NOW) == Life(silent, 40)


def test_a_renewal_to_come_is_no_evidence_of_anything() -> None:
    assert life_of(Lease("pi1", NOW + 3600), NOW) is None


@pytest.mark.parametrize(("silent", "alive"), [(0, True), (39, True), (50, True), (51, False)])
def test_a_node_is_given_up_when_the_node_controller_would(silent: float, alive: bool) -> None:
    assert Life(silent, 40).alive is alive


@pytest.fixture
def api() -> ApiInMemory:
    api = ApiInMemory("pi1", "pi2", "pi3")
    api.clock = NOW
    api.create("/api/v1/namespaces", "v1", "Namespace", "kube-node-lease")
    for name, renewed in (("pi1", KEPT), ("pi2", LONG_AGO)):
        made = lease(name, renewed)
        api.create(LEASES, made["apiVersion"], made["kind"], name, spec=made["spec"])
        # Stored by the double just now; the clock of the test is another one.
        api.clock = NOW
    api.sent.clear()
    return api


def test_the_nodes_come_with_their_lives_in_two_requests(api: ApiInMemory) -> None:
    nodes = list_nodes(api)
    assert api.sent == ["GET /api/v1/nodes", f"GET {LEASES}"]
    assert [nodes[name].alive for name in ("pi1", "pi2", "pi3")] == [True, False, True]
    assert nodes["pi3"].life is None


def test_without_the_servers_time_nobody_is_given_up(api: ApiInMemory) -> None:
    api.clock = None
    assert all(node.life is None for node in list_nodes(api).values())


def test_one_lease_is_read(api: ApiInMemory) -> None:
    seen = read_lease(api, "pi2")
    assert seen is not None
    assert seen.renewed == NOW - 185
    assert read_lease(api, "pi9") is None


def test_what_the_node_controller_gave_up_is_not_alive() -> None:
    assert not NodeState("pi1", ready=False, given_up=True, life=Life(2, 40)).alive
