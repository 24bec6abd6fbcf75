"""The cluster as its API shows it, from whichever server answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from picluster.engine.pool import Sessions
from picluster.engine.quote import quote
from picluster.errors import NodeError, PiclusterError
from picluster.kube.access import KubeAccess
from picluster.kube.api import Api
from picluster.kube.errors import ApiRefused, ApiUnavailable
from picluster.kube.glance import Glance
from picluster.kube.kubeconfig import AdminKubeconfig
from picluster.kube.leases import Lease, read_lease
from picluster.kube.link import Server
from picluster.kube.nodes import NodeState, get_node, list_nodes, node_states
from picluster.kube.recalled import Answers, Recalled, question
from picluster.once import Together
from picluster.steps.k3s import paths
from picluster.steps.k3s.state import read_admin

T = TypeVar("T")

_FETCH_SECONDS = 30.0
_FORGET_ABSENCE_SECONDS = 1.0


@dataclass(slots=True)
class ClusterApi:
    """Reads and writes the cluster through its API, once there is one.

    The administrator's credentials come from `saved`, this computer's copy, so that a run that has
    nothing to do asks no node for them; when that copy is missing or no longer accepted, from the
    first server that has some. Threads may share it.
    """

    servers: tuple[Server, ...]
    sessions: Sessions
    saved: Path
    _access: KubeAccess | None = None
    _admin: AdminKubeconfig | None = None
    _absent_since: float | None = None
    _answers: Answers | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _states: Together[list[NodeState]] = field(init=False)

    def __post_init__(self) -> None:
        self._states = Together(lambda: self._ask(node_states))

    def remember(self) -> None:
        """From now on ask nothing twice: a run that changes nothing sees one moment."""
        self._answers = Answers()

    def forget(self) -> None:
        """Ask anew from now on, each time."""
        self._answers = None

    def look_ahead(self, paths: Iterable[str]) -> None:
        """Begin to read these, while shells are asked, if credentials are here.

        Each goes its own way: one after the other would cost a round trip more.
        """
        answers = self._answers
        if answers is not None and self.saved.exists():
            for path in paths:
                threading.Thread(target=self._look_ahead, args=(answers, path), daemon=True).start()

    def _look_ahead(self, answers: Answers, path: str) -> None:
        with suppress(PiclusterError):  # who asks for it is told
            access = self._opened()
            answers.get(question("GET", path), lambda: (access.glimpse(path), access.clock))

    def access(self) -> KubeAccess | Recalled:
        """Return the way to the API. Raises `ApiUnavailable` when no server has credentials."""
        return self._recalling(self._opened())

    def _recalling(self, access: KubeAccess) -> KubeAccess | Recalled:
        answers = self._answers
        return access if answers is None else Recalled(access, answers)

    def _opened(self) -> KubeAccess:
        with self._lock:
            if self._access is None:
                self._use(self._saved_admin() or self._fetched_admin())
            if self._access is None:
                raise ApiUnavailable((), fix="bring the cluster up: `picluster up`")
            return self._access

    def nodes(self) -> dict[str, NodeState] | None:
        """Return the state of every node in the cluster; None while there is no API to ask."""
        try:
            return self._ask(list_nodes)
        except PiclusterError:
            return None

    def members(self) -> dict[str, NodeState] | None:
        """Return what `nodes` does, without what their Leases say: one question less."""
        try:
            return {each.name: each for each in self._states.get()}
        except PiclusterError:
            return None

    def node(self, name: str) -> NodeState | None:
        """Return one node's state; None if the cluster does not know it or does not answer.

        All nodes are read together: each of them is asked about at the same time.
        """
        return (self.members() or {}).get(name)

    def lease(self, name: str) -> Lease | None:
        """Return one node's Lease; None if there is none or the API does not answer."""
        try:
            return self._ask(lambda api: read_lease(Glance(api), name))
        except PiclusterError:
            return None

    def find(self, name: str) -> NodeState | None:
        """Return one node's state; None if the cluster does not know it.

        Asked briefly, by waits. Raises `ApiUnavailable`, or `ApiRefused` while K3s is starting.
        """
        return self._ask(lambda api: get_node(Glance(api), name))

    def _ask(self, read: Callable[[Api], T]) -> T:
        """Read; once more with fresh credentials when the saved ones may be out of date."""
        access = self._opened()
        try:
            return read(self._recalling(access))
        except (ApiUnavailable, ApiRefused):
            if not self._renewed(access):
                raise
            return read(self.access())

    def _renewed(self, failed: KubeAccess) -> bool:
        """Change to a server's own credentials; return whether they differ from those in use."""
        with self._lock:
            if self._access is not failed:
                return self._access is not None
            admin = self._fetched_admin()
            if admin is None or admin == self._admin:
                return False
            failed.close()
            self._use(admin)
            return True

    def _use(self, admin: AdminKubeconfig | None) -> None:
        if admin is not None:
            self._admin = admin
            self._access = KubeAccess(self.servers, self.sessions.get, admin)

    def close(self) -> None:
        """Close every connection to the API, and forget what it said."""
        self.forget()
        with self._lock:
            if self._access is not None:
                self._access.close()
                self._access = None

    def _saved_admin(self) -> AdminKubeconfig | None:
        return read_admin(self.saved.read_text()) if self.saved.exists() else None

    def _fetched_admin(self) -> AdminKubeconfig | None:
        if self._absent_since and time.monotonic() - self._absent_since < _FORGET_ABSENCE_SECONDS:
            return None
        for server in self.servers:
            try:
                session = self.sessions.get(server.node)
                done = session.run(f"cat {quote(paths.KUBECONFIG)}", timeout=_FETCH_SECONDS)
            except NodeError:
                continue
            admin = read_admin(done.text) if done.status == 0 else None
            if admin is not None:
                return admin
        self._absent_since = time.monotonic()
        return None
