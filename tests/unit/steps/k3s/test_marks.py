"""Labels and taints: set on a node that is in the cluster, and on no other."""

from __future__ import annotations

from tests.unit.steps.k3s.looks import look

from picluster.engine.step import Change, Satisfied
from picluster.kube.labels import MANAGED_LABELS
from picluster.kube.nodes import NodeState
from picluster.model import parse
from picluster.steps.k3s.nodes import NodeMarks, SettleMarks
from picluster.steps.k3s.service import RUNNING

NODE = parse(
    "name: a\nnodes:\n  - {name: pi1, address: 10.0.0.1, role: server, labels: {disk: ssd}}\n"
).cluster.nodes[0]
MARKS = NodeMarks(NODE)


def test_a_node_that_lacks_them_gets_them() -> None:
    decision = MARKS.decide(look("marks", node=NodeState("pi1", ready=True)))
    assert isinstance(decision, Change)
    assert decision.reason == "+ label disk=ssd"
    assert decision.actions == (SettleMarks("pi1", {"disk": "ssd"}, ()),)


def test_a_node_that_has_them_is_left_alone() -> None:
    node = NodeState(
        "pi1", ready=True, labels={"disk": "ssd"}, annotations={MANAGED_LABELS: "disk"}
    )
    assert MARKS.decide(look("marks", node=node)) == Satisfied()


def test_a_node_that_is_about_to_join_is_planned_for() -> None:
    planned = frozenset({("pi1", RUNNING)})
    assert isinstance(MARKS.decide(look("marks", planned=planned)), Change)


def test_a_node_that_did_not_join_is_nobodys_failure_here() -> None:
    assert MARKS.decide(look("marks")) == Satisfied(detail="it is not in the cluster")
