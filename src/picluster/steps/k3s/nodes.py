"""What is in the cluster: labels and taints as the file says, and nodes that the file lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from picluster.engine.place import Place, Tools
from picluster.engine.step import Change, Decision, Diff, Fact, Inferred, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.labels import node_drift, parse_taint, settle_node
from picluster.kube.nodes import NodeState, Taint
from picluster.kube.reach import api_of
from picluster.model import Node
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.service import READY, RUNNING, NodeReading


@dataclass(frozen=True, slots=True)
class Members:
    """The nodes of the cluster by name; None while there is no API to ask."""

    nodes: Mapping[str, NodeState] | None


@dataclass(frozen=True, slots=True)
class AskMembers:
    """Every node of the cluster, in one reading that steps share."""

    name: str = "cluster-nodes"
    secret: bool = False

    def ask(self, tools: Tools) -> Members:
        return Members(tools.get(ClusterApi).members())


MEMBERS = AskMembers()


@dataclass(frozen=True, slots=True)
class AskWhoLives:
    """Every node of the cluster, and when it was last heard of."""

    name: str = MEMBERS.name
    secret: bool = False

    def ask(self, tools: Tools) -> Members:
        return Members(tools.get(ClusterApi).nodes())


def nodes_fact(what: AskMembers | AskWhoLives = MEMBERS) -> Fact:
    """Look at every node of the cluster, for others to decide on."""
    return Fact(what.name, "the cluster's nodes are known", what)


def seen_nodes(look: Look) -> Mapping[str, NodeState] | None:
    """Return what the cluster says of its nodes; None while there is no API to ask."""
    seen = look.find(MEMBERS, CLUSTER)
    return seen.nodes if seen else None


@dataclass(frozen=True, slots=True)
class SettleMarks:
    """Give a node these labels and taints, and take those away that the file once had."""

    node: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]

    @property
    def title(self) -> str:
        return f"labelling {self.node}"

    def perform(self, place: Place) -> None:
        """Do it. Raises a `PiclusterError`."""
        settle_node(api_of(place.tools), self.node, self.labels, self.taints)


@dataclass(frozen=True, slots=True)
class NodeMarks(Inferred):
    """A node has the file's labels and taints, and none that the file once had and dropped.

    They are set through the API, not through K3s's options: those only count when a node
    registers, and a change to them would restart K3s for nothing.
    """

    node: Node
    name: str = "marks"

    @property
    def title(self) -> str:
        return f"labels and taints of {self.node.name} are as the cluster file says"

    def decide(self, look: Look) -> Decision:
        """Compare the node's labels and taints with the file's, once it is in the cluster."""
        node, labels = self.node.name, self.node.labels
        taints = tuple(parse_taint(str(taint)) for taint in self.node.taints)
        present = look.read(NodeReading(node)).state
        if present is None and not look.changing(RUNNING, READY):
            return Satisfied(detail="it is not in the cluster")
        drift = node_drift(present or NodeState(node, ready=False), labels, taints)
        if not drift:
            return Satisfied()
        return Change(
            f"set labels and taints of {node}",
            (SettleMarks(node, labels, taints),),
            reason="; ".join(drift.lines),
            diff=Diff("", str(drift)),
        )


@dataclass(frozen=True, slots=True)
class Strangers(Inferred):
    """Nodes that are in the cluster and not in the file are named, and never removed silently."""

    known: Sequence[str]
    name: str = "strangers"
    title: str = "every node of the cluster is in the cluster file"

    def decide(self, look: Look) -> Decision:
        strangers = sorted((seen_nodes(look) or {}).keys() - set(self.known))
        if not strangers:
            return Satisfied()
        return Satisfied(
            warning=f"in the cluster and not in the file: {', '.join(strangers)}; "
            "add them to the file, or take them out with `picluster node remove`"
        )
