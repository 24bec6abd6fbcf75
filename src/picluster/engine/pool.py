"""The open connections of a run: one session per node, opened in parallel, renewed after loss."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from picluster.engine.session import Completed, Connector, Session, Traffic
from picluster.errors import NodeError, OutOfTime, PiclusterError, Unreachable


class Sessions:
    """One session per node, shared by everything that works on the node, in whatever thread.

    Nodes are connected to in parallel, at most `parallel` at once; a node is connected to by one
    thread, while the others that want it wait. A node that could not be reached when all were
    connected to is not tried again each time that somebody asks for it, but for `renew`.
    """

    def __init__(self, connector: Connector, parallel: int = 10) -> None:
        self._connector = connector
        self._parallel = parallel
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._open: dict[str, Session] = {}
        self._away: dict[str, NodeError] = {}
        self._aborted = False

    @property
    def traffic(self) -> Traffic:
        """What all sessions have spent."""
        return self._connector.traffic

    @property
    def away(self) -> dict[str, NodeError]:
        """The nodes that could not be reached when all were connected to, and why."""
        with self._lock:
            return dict(self._away)

    def open_all(self, nodes: Sequence[str]) -> dict[str, Session | NodeError]:
        """Connect to every node in parallel; return each session, or why there is none.

        Those that were away before are tried again.
        """
        if not nodes:
            return {}
        with self._lock:
            self._away.clear()
        with ThreadPoolExecutor(max_workers=min(self._parallel, len(nodes))) as pool:
            return dict(zip(nodes, pool.map(self._try_open, nodes), strict=True))

    def get(self, node: str) -> Session:
        """Return the node's session, connecting first if there is none. Raises a `NodeError`."""
        with self._lock:
            session = self._open.get(node)
            away = self._away.get(node)
            gate = self._opening.setdefault(node, threading.Lock())
        if session is not None:
            return session
        if away is not None:
            raise away
        with gate:
            with self._lock:
                session = self._open.get(node)
            return session if session is not None else self._connect(node)

    def renew(self, node: str, lost: Session | None) -> Session:
        """Return a session that is not the `lost` one. Raises a `NodeError`.

        Several threads may find the same session lost: the node is connected to anew once.
        """
        with self._lock:
            self._away.pop(node, None)
            if lost is not None and self._open.get(node) is lost:
                del self._open[node]
        if lost is not None:
            lost.close()
        return self.get(node)

    def read(self, node: str, script: str, *, timeout: float) -> Completed:
        """Run a script that only reads; once more, anew, if the connection turns out to be lost.

        What ran out of its time is not run again. Raises a `NodeError`.
        """
        session = None
        try:
            session = self.get(node)
            return session.run(script, timeout=timeout)
        except Unreachable as error:
            if node in self.away or isinstance(error, OutOfTime):
                raise
            return self.renew(node, session).run(script, timeout=timeout)

    def close_all(self) -> None:
        """Close every session. What is closed is opened again by a later `get`."""
        with self._lock:
            sessions, self._open = list(self._open.values()), {}
        for session in sessions:
            session.close()

    def abort(self) -> None:
        """Close every session for good: whatever waits on one fails at once."""
        with self._lock:
            self._aborted = True
        self.close_all()

    def _connect(self, node: str) -> Session:
        self._refuse_if_aborted(node)
        session = self._connector.connect(node)
        with self._lock:
            if not self._aborted:
                self._open[node] = session
                return session
        session.close()
        self._refuse_if_aborted(node)
        raise AssertionError("unreachable")

    def _refuse_if_aborted(self, node: str) -> None:
        if self._aborted:
            raise Unreachable("the run was stopped", where=node, fix="run the same command again")

    def _try_open(self, node: str) -> Session | NodeError:
        try:
            return self.get(node)
        except NodeError as error:
            away = error
        except PiclusterError as error:
            away = NodeError(error.what, where=error.where or node, why=error.why, fix=error.fix)
        with self._lock:
            self._away[node] = away
        return away
