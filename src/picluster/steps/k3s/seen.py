"""What was not seen is not taken for empty: whether enough servers are there to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from picluster.engine.step import Blocked, Decision, Inferred, Satisfied
from picluster.engine.survey import Look
from picluster.kube.quorum import majority
from picluster.steps.k3s.nodes import seen_nodes
from picluster.steps.k3s.state import STATE, K3sState


@dataclass(frozen=True, slots=True)
class ServersSeen(Inferred):
    """A server that cannot be reached leaves enough of the others to tell what is to be done.

    It may hold the very cluster that none of the others does: to start one then would make a
    second. It may be needed for a majority. And it keeps its version of K3s, so that the others
    keep theirs: they change one at a time, and only while all of them are there.
    """

    servers: Sequence[str]
    version: str
    name: str = "servers-seen"
    title: str = "enough servers are there to tell what the cluster needs"

    def decide(self, look: Look) -> Decision:
        """Refuse what cannot be told, or not be done, without the servers that were not seen."""
        seen = {name: state for name, state in look.every(STATE).items() if name in self.servers}
        unseen = tuple(server for server in self.servers if server not in seen)
        if not unseen:
            return Satisfied()
        return self._judge(seen, unseen, answers=seen_nodes(look) is not None)

    def _judge(
        self, seen: Mapping[str, K3sState], unseen: tuple[str, ...], *, answers: bool
    ) -> Decision:
        away = ", ".join(unseen)
        holders = [server for server in self.servers if server in seen and seen[server].cluster]
        if not holders:
            return Blocked(
                f"{away} cannot be reached, and may hold the cluster: none of the servers that are "
                "there does, and one that is started now could be a second one",
                f"bring {away} back; what is gone for good is to be taken out of the cluster file",
                missing=unseen,
            )
        needed = majority(len(self.servers))
        if not answers and len(seen) < needed:
            return Blocked(
                f"the cluster's API does not answer: {away} cannot be reached, {len(seen)} of "
                f"{len(self.servers)} servers are there, and {needed} are needed for a majority",
                f"bring {away} back",
                missing=unseen,
            )
        older = [each for each in holders if seen[each].version not in ("", self.version)]
        if older:
            return Blocked(
                f"{', '.join(older)} would get K3s {self.version}, but {away} cannot be reached, "
                "and servers change their version only while all of them are there",
                f"bring {away} back first",
                missing=unseen,
            )
        return Satisfied(detail=f"without {away}")
