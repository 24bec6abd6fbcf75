"""When a node has arrived: what its new kubelet said counts, and what it said before does not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from tests.doubles.node_answers import NodeAnswers
from tests.unit.steps.acting import place

from picluster.kube.leases import Lease
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.service import Arrival, AwaitArrival
from picluster.steps.k3s.unit import UnitState

UNIT = UnitState("active", started=1001.4, now=1060.0)


# K3s runs since 1001, and the clock shows 1060.
SHOWN = "ActiveState=active\nExecMainStartTimestampMonotonic=1000000\nuptime=60.0\nnow=1060\n"


@dataclass
class Cluster:
    """The API while a kubelet renews its Lease, from look to look, and writes no status."""

    state: NodeState
    renewed: list[float] = field(default_factory=list)

    def node(self, name: str) -> NodeState:
        return self.state

    find = node

    def lease(self, name: str) -> Lease | None:
        return Lease(name, self.renewed.pop(0)) if self.renewed else None


ARRIVAL = Arrival("pi1", "k3s", "", False, 20)


@pytest.mark.parametrize(
    ("reported", "renewals", "counts"),
    [
        (1000.0, 0, False),
        (1001.0, 0, True),  # reports are in whole seconds
        (None, 0, True),
        (1000.0, 1, False),  # it lives, and may not have written its status yet
        (1000.0, 2, True),  # the clock was set after it had: it writes the next in five minutes
        (9000.0, 0, False),  # its predecessor's, by a clock that was ahead
        (9000.0, 2, True),
    ],
)
def test_only_what_the_kubelet_said_since_k3s_started_counts(
    reported: float | None, renewals: int, counts: bool
) -> None:
    state = NodeState("pi1", ready=True, reported=reported)
    missing = ARRIVAL.missing(state, UNIT, renewals)
    assert missing == ("" if counts else "has not reported since K3s started")


def test_a_restart_is_over_when_the_new_kubelet_lives_though_its_status_looks_old() -> None:
    """A real kubelet moves lastHeartbeatTime every five minutes; its Lease every ten seconds."""
    stale = NodeState("pi1", ready=True, reported=900.0)
    predecessors, first, second = 990.0, 1010.0, 1020.0
    cluster = Cluster(stale, [predecessors, first, first, second])
    AwaitArrival(ARRIVAL).perform(
        place(cluster, target="pi1", sessions=NodeAnswers(lambda _: SHOWN).sessions)
    )
    assert not cluster.renewed, "it was taken for the new kubelet's word too early"


@pytest.mark.parametrize(
    ("noted", "now", "counts"),
    [
        (0.0, 1010.0, False),  # a kubelet is Ready before flannel has tried
        (990.0, 1010.0, False),  # flannel's note of its life before
        (1005.0, 1010.0, True),
        (0.0, 1061.0, True),  # K3s ends with flannel: it has lived too long for that
    ],
)
def test_a_node_has_arrived_once_its_pods_have_a_network(
    noted: float, now: float, counts: bool
) -> None:
    unit = UnitState("active", started=1001.0, now=now, flannel=noted)
    state = NodeState("pi1", ready=True, reported=1002.0)
    missing = replace(ARRIVAL, flannel=True).missing(state, unit)
    assert missing == ("" if counts else "Ready, and its pods have no network yet")
    assert ARRIVAL.missing(state, unit) == "", "without flannel there is no note of it"
