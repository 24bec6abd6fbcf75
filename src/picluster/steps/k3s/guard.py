"""Who is asked before a server is disturbed: the quorum guard, with what it has to look at."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.pool import Sessions
from picluster.errors import NodeError, PreflightRefused
from picluster.kube.health import Readyz, readyz
from picluster.kube.quorum import Allowed, Refused, Ruling, may_disrupt
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.paths import SERVER_DIR

_HOLDS_DATA = f"[ -e {SERVER_DIR}/db/etcd ] || [ -e {SERVER_DIR}/db/state.db ]"
_LOOK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class QuorumGuard:
    """Looks at the cluster as it is now, and rules by `may_disrupt`.

    `servers` are those of the cluster file. Threads may share it.
    """

    servers: tuple[str, ...]
    api: ClusterApi
    sessions: Sessions

    def before_disruption(self, server: str) -> None:
        """Raise `PreflightRefused` unless the cluster keeps its majority without this server."""
        nodes = self.api.nodes()
        if nodes is None:
            self._refuse_blind_disruption(server)
            return
        _obey(may_disrupt(server, nodes, self._readiness(), self.servers), server)

    def before_removal(self, node: str) -> None:
        """Raise `PreflightRefused` unless the cluster keeps its majority once this node is gone."""
        _obey(self.on_removal(node), node)

    def on_removal(self, node: str) -> Ruling:
        """Rule whether the cluster keeps its majority once this node is gone."""
        nodes = self.api.nodes()
        if nodes and node in nodes and not nodes[node].is_server:
            return Allowed()
        return may_disrupt(node, nodes, self._readiness(), (), destructive=True)

    def _readiness(self) -> dict[str, Readyz]:
        """Ask each server itself."""
        return {server: readyz(self.api.access().at(server)) for server in self.servers}

    def _refuse_blind_disruption(self, server: str) -> None:
        """Refuse while the API is silent and other servers hold data: they may need this one.

        A server without data has no vote that they could need: it may be one that is still to join.
        """
        if not self._may_hold_data(server):
            return
        others = [each for each in self.servers if each != server and self._may_hold_data(each)]
        if others:
            raise PreflightRefused(
                "the cluster's API does not answer, so nobody can tell whether it survives this",
                where=server,
                why=f"{', '.join(others)} hold the cluster's data too, or cannot be asked",
                fix="bring a majority of the servers up first; `systemctl status k3s` on each "
                "says what keeps it down",
            )

    def _may_hold_data(self, server: str) -> bool:
        """Whether the server has the cluster's database; one that cannot be asked may have it."""
        try:
            return self.sessions.get(server).run(_HOLDS_DATA, timeout=_LOOK_SECONDS).status == 0
        except NodeError:
            return True


def _obey(ruling: Ruling, node: str) -> None:
    if isinstance(ruling, Refused):
        raise PreflightRefused(ruling.reason, where=node, fix=ruling.fix)
