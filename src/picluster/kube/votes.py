"""How many servers answer, and whether the cluster can lose one more. Pure.

etcd counts members, alive or not: it works while more than half of them do. K3s tells of the
membership (the node condition `EtcdIsVoter`), which a server that is off keeps; whether it lives,
only its own API tells.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from picluster.kube.nodes import NodeState
from picluster.kube.quorum import majority, members


@dataclass(frozen=True, slots=True)
class Votes:
    """Servers of the file in `servers`; `answering` and `voting` are those that do so now.

    `needed` is how many have to vote for the cluster to work.
    """

    servers: int
    answering: int
    voting: int
    needed: int

    @property
    def in_words(self) -> str:
        """Say how many there are, and what that means."""
        said = f"{self.answering} of {self.servers} servers answer"
        if self.voting != self.answering:
            said += f", {self.voting} vote{'s' if self.voting == 1 else ''}"
        if self.voting < self.needed:
            return f"{said}; {self.needed} are needed"
        last = self.voting == self.needed > 1
        return f"{said}; the next loss stops the cluster" if last else said


def count_votes(
    servers: Collection[str], answering: Collection[str], nodes: Mapping[str, NodeState]
) -> Votes:
    """Count `servers` of the file, given those whose own API is ready and what the cluster knows.

    A server whose K3s does not say whether it votes counts as one that does. Members that are not
    in the file count too: etcd waits for their votes all the same.
    """
    electorate = {name for name in members(nodes) if not nodes[name].learner}
    there = [name for name in servers if name in answering]
    voting = [name for name in there if name in nodes and nodes[name].voter is not False]
    return Votes(len(servers), len(there), len(voting), majority(len(electorate or servers)))
