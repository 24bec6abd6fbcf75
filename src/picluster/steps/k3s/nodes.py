"""What is in the cluster: labels and taints as the file says, and nodes that the file lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.step import Call, Change, Decision, Diff, Fact, Query, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.labels import node_drift, parse_taint, settle_node
from picluster.kube.nodes import NodeState
from picluster.model import Node
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.service import READY, RUNNING

NODES = "cluster-nodes"


def nodes_fact(api: ClusterApi) -> Fact:
    """Observe every node of the cluster, in one reading that the other steps share."""
    return Fact(NODES, "the cluster's nodes are known", Query(api.nodes))


def seen_nodes(look: Look) -> dict[str, NodeState] | None:
    """Return what the cluster says of its nodes; None while there is no API to ask."""
    seen = look.at(CLUSTER, NODES).value
    return seen if isinstance(seen, dict) else None


@dataclass(frozen=True, slots=True)
class NodeMarks:
    """A node has the file's labels and taints, and none that the file once had and dropped.

    They are set through the API, not through K3s's options: those only count when a node
    registers, and a change to them would restart K3s for nothing.
    """

    node: Node
    api: ClusterApi
    name: str = "marks"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"labels and taints of {self.node.name} are as the cluster file says"

    def probe(self) -> None:
        """The reading of the node says it."""

    def decide(self, look: Look) -> Decision:
        """Compare the node's labels and taints with the file's, once it is in the cluster."""
        wanted = [parse_taint(str(taint)) for taint in self.node.taints]
        seen = look.beside(READY).value
        if not isinstance(seen, NodeState) and not look.changing(RUNNING, READY):
            return Satisfied(detail="it is not in the cluster")
        present = seen if isinstance(seen, NodeState) else NodeState(self.node.name, ready=False)
        drift = node_drift(present, self.node.labels, wanted)
        if not drift:
            return Satisfied()
        return Change(
            f"set labels and taints of {self.node.name}",
            (
                Call(
                    f"labelling {self.node.name}",
                    lambda _: self._settle(),
                ),
            ),
            reason="; ".join(drift.lines),
            diff=Diff("", str(drift)),
            retry_safe=True,
        )

    def _settle(self) -> None:
        wanted = [parse_taint(str(taint)) for taint in self.node.taints]
        settle_node(self.api.access(), self.node.name, self.node.labels, wanted)


@dataclass(frozen=True, slots=True)
class Strangers:
    """Nodes that are in the cluster and not in the file are named, and never removed silently."""

    known: Sequence[str]
    name: str = "strangers"
    title: str = "every node of the cluster is in the cluster file"

    def probe(self) -> None:
        """The reading of all nodes says it."""

    def decide(self, look: Look) -> Decision:
        """Warn of each node that the file does not have."""
        strangers = sorted((seen_nodes(look) or {}).keys() - set(self.known))
        if not strangers:
            return Satisfied()
        return Satisfied(
            warning=f"in the cluster and not in the file: {', '.join(strangers)}; "
            "add them to the file, or take them out with `picluster node remove`"
        )
