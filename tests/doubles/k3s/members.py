"""The members of a cluster of servers: one of them leads as long as a majority hears it.

This is Raft with one shortcut: an entry is applied as soon as it arrives. A leader answers only
for what a majority has, and only a member whose state is as new as a majority's can be elected, so
nothing that was answered is lost.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from .log import error, info
from .pace import paced
from .store import Key, Object, Operation, Store, write_atomically
from .wire import Client

T = TypeVar("T")

_BEAT = paced(0.3)
_LEASE = paced(2.0)
_PATIENCE = (paced(2.2), paced(3.4))
_FIRST_PATIENCE = (paced(0.6), paced(1.2))
_COMMIT = 4.0
_PROMOTE = paced(1.0)

TOO_MANY_LEARNERS = "etcdserver: too many learner members in cluster"
"""What a server to join is told while another one does not vote yet."""
_RECENT = 2000


class NotLeading(Exception):
    """This member does not lead; the leader's API URL if it is known."""

    def __init__(self, leader: str = "") -> None:
        super().__init__("not the leader")
        self.leader = leader


class NoQuorum(Exception):
    """There is no majority."""


class Transaction:
    """One change in the making: what it reads includes what it has written."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.operations: list[Operation] = []
        self._version = store.version
        self._written: dict[Key, Object | None] = {}

    def get(self, key: Key) -> Object | None:
        """Return an object."""
        return self._written[key] if key in self._written else self.store.objects.get(key)

    def listed(self, group: str, plural: str, namespace: str = "") -> list[tuple[Key, Object]]:
        """Return the objects of a kind, of one namespace or of all, by key."""
        found = dict(self.store.listed(group, plural, namespace))
        for key, obj in self._written.items():
            if key[:2] == (group, plural) and (not namespace or key[2] == namespace):
                found.pop(key, None)
                if obj is not None:
                    found[key] = obj
        return sorted(found.items(), key=lambda pair: pair[0])

    def put(self, key: Key, obj: Object) -> Object:
        """Write an object; it gets the next version."""
        self._version += 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}
        self.operations.append(["put", list(key), obj])
        self._written[key] = obj
        return obj

    def delete(self, key: Key) -> None:
        """Take an object out."""
        if self.get(key) is not None:
            self._version += 1
            self.operations.append(["del", list(key), self._version])
            self._written[key] = None

    def set_meta(self, name: str, value: Any) -> None:
        """Set something of the cluster's own, such as its members."""
        self.operations.append(["meta", name, value])

    def meta(self, name: str) -> Any:
        """Return something of the cluster's own."""
        for verb, where, what in reversed(self.operations):
            if verb == "meta" and where == name:
                return what
        return self.store.meta.get(name)


class _Peer:
    """What the leader knows of another member."""

    def __init__(self) -> None:
        self.at: tuple[int, int] | None = None
        self.heard = 0.0
        self.caught_up_since = 0.0
        self.wake = threading.Event()


class Cluster:
    """This server's part in the cluster. `me` is its member id; `on_removed` is told once."""

    def __init__(
        self, me: str, store: Store, client: Client, votes: Path, on_removed: Callable[[], None]
    ) -> None:
        self.me, self.store = me, store
        self._client, self._votes, self._on_removed = client, votes, on_removed
        self.changed = threading.Condition(threading.RLock())
        self._committing = threading.RLock()
        self.term, self._voted = self._read_votes()
        self.leader = ""
        self._heard = time.monotonic()
        self._patience = random.uniform(*_FIRST_PATIENCE)
        self._peers: dict[str, _Peer] = {}
        self._recent: deque[Object] = deque(maxlen=_RECENT)
        self._target = (store.index, store.term)
        self._stopped = False
        self._pool = ThreadPoolExecutor(16)
        self.on_leading: Callable[[], None] = lambda: None

    # --- what others ask ------------------------------------------------------------------------

    @property
    def members(self) -> dict[str, Object]:
        """All members by id: `name`, `api` and `peer` URL, `voter`."""
        found: dict[str, Object] = self.store.meta.get("members") or {}
        return found

    @property
    def leads(self) -> bool:
        """Whether this member leads and a majority heard it lately."""
        return self.leader == self.me and self._lease_holds()

    @property
    def has_quorum(self) -> bool:
        """Whether this member leads, or hears a leader."""
        if self.leader == self.me:
            return self._lease_holds()
        return bool(self.leader) and time.monotonic() - self._heard < _LEASE

    def leader_url(self) -> str:
        """Return the leader's API. Raises `NoQuorum`."""
        if not self.has_quorum or self.leader not in self.members:
            raise NoQuorum
        return str(self.members[self.leader]["api"])

    def start(self) -> None:
        """Take part from now on."""
        threading.Thread(target=self._watch_time, daemon=True).start()

    def stop(self) -> None:
        """Leave politely: a leader tells the others, so that they need not wait for it."""
        leading, self._stopped = self.leader == self.me, True
        with self._committing:
            self.leader = ""
        for member, about in self.members.items() if leading else ():
            if member != self.me:
                with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                    self._ask(about["peer"], "leaving", {"leader": self.me}, timeout=0.5)

    def wait(self, timeout: float) -> bool:
        """Wait until there is a majority and this member is in it."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.has_quorum and self.me in self.members:
                return True
            time.sleep(0.05)
        return False

    def transact(self, change: Callable[[Transaction], T], *, keep: bool = True) -> T:
        """Change the state. Raises `NotLeading` or `NoQuorum`, and whatever `change` raises."""
        with self._committing:
            if not self.leads:
                raise NotLeading(self.leader_url())
            transaction = Transaction(self.store)
            result = change(transaction)
            if keep and transaction.operations:
                self._commit(transaction.operations)
            return result

    # --- leading --------------------------------------------------------------------------------

    def _voters(self, operations: list[Operation] | None = None) -> list[str]:
        members = self.members
        for verb, where, what in operations or ():
            if verb == "meta" and where == "members":
                members = what
        return [member for member, about in members.items() if about["voter"]]

    def _lease_holds(self) -> bool:
        oldest = time.monotonic() - _LEASE
        voters = self._voters()
        heard = [v for v in voters if v == self.me or self._peer(v).heard > oldest]
        return len(heard) * 2 > len(voters)

    def _peer(self, member: str) -> _Peer:
        return self._peers.setdefault(member, _Peer())

    def _commit(self, operations: list[Operation]) -> None:
        term, index = self.term, self.store.index + 1
        entry = {"t": term, "i": index, "p": [self.store.index, self.store.term], "ops": operations}
        with self.changed:
            if self.leader != self.me:
                raise NoQuorum
            self._recent.append(entry)
            self._target = (index, term)
        voters = self._voters(operations)
        for member in self.members:
            self._peer(member).wake.set()
        deadline = time.monotonic() + _COMMIT
        with self.changed:
            while not self._has_majority(voters, (index, term)):
                left = deadline - time.monotonic()
                if left <= 0 or self.leader != self.me or self.term != term:
                    self._step_down(self.term, "")
                    raise NoQuorum
                self.changed.wait(min(left, 0.5))
            self.store.apply(term, index, operations)
        if self.me not in self.members:
            self._step_down(self.term, "")

    def _has_majority(self, voters: list[str], at: tuple[int, int]) -> bool:
        having = [v for v in voters if v == self.me or self._peer(v).at == at]
        return len(having) * 2 > len(voters)

    def _lead(self, term: int) -> None:
        with self.changed:
            self.leader = self.me
            self._recent.clear()
            self._target = (self.store.index, self.store.term)
            # The members that elected us count as heard; a silent one is noticed soon enough.
            self._peers = {member: _Peer() for member in self.members if member != self.me}
            for peer in self._peers.values():
                peer.heard = time.monotonic()
        for member in list(self.members):
            self._follow_up(member, term)
        try:
            self.transact(lambda change: change.set_meta("led-by", [self.me, term]))
        except (NotLeading, NoQuorum):
            return
        info(f"stand-in member {self.me} leads in term {term}")
        self.on_leading()

    def _follow_up(self, member: str, term: int) -> None:
        if member != self.me:
            threading.Thread(target=self._serve_peer, args=(member, term), daemon=True).start()

    def _serve_peer(self, member: str, term: int) -> None:
        """Keep one member up to date for as long as this one leads."""
        peer = self._peer(member)
        while self.leader == self.me and self.term == term and not self._stopped:
            about = self.members.get(member)
            if about is None:
                return
            peer.wake.clear()
            try:
                busy = self._bring_up(member, about, peer, term)
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                busy = False
                peer.caught_up_since = 0.0
                time.sleep(0.1)
            if not busy:
                peer.wake.wait(_BEAT)

    def _bring_up(self, member: str, about: Object, peer: _Peer, term: int) -> bool:
        """Send what the member lacks, or a heartbeat; return whether it lacks more."""
        with self.changed:
            target, entries = self._target, self._entries_after(peer.at)
        started = time.monotonic()
        message: Object = {"term": term, "leader": self.me, "entries": entries or []}
        if entries is None:
            with self.changed:
                message["state"] = self.store.dump()
        before = peer.at
        answer = self._ask(
            about["peer"], "append", message, timeout=2.0 + 8.0 * ("state" in message)
        )
        if answer["term"] > term:
            self._step_down(answer["term"], "")
            return False
        with self.changed:
            peer.at = tuple(answer["at"])
            peer.heard = started
            self.changed.notify_all()
        if peer.at != target:
            peer.caught_up_since = 0.0
            return peer.at != before
        peer.caught_up_since = peer.caught_up_since or started
        if not about["voter"] and started - peer.caught_up_since > _PROMOTE:
            peer.caught_up_since = 0.0
            self._pool.submit(self._promote, member)  # it waits for this thread
        return False

    def _entries_after(self, at: tuple[int, int] | None) -> list[Object] | None:
        """Return the entries that a member lacks; None if they are not at hand."""
        if at is None or at == self._target:
            return []
        lacking: list[Object] = []
        for entry in reversed(self._recent):
            lacking.append(entry)
            if tuple(entry["p"]) == at:
                return lacking[::-1]
        return None

    def _promote(self, member: str) -> None:
        def change(transaction: Transaction) -> None:
            members = dict(transaction.meta("members"))
            if member in members:
                members[member] = {**members[member], "voter": True}
                transaction.set_meta("members", members)

        try:
            self.transact(change)
        except (NotLeading, NoQuorum):
            return
        info(f"stand-in member {member} votes now")

    def add(self, member: str, about: Object) -> None:
        """Take a new member in, as a learner. Raises `ValueError` if it is there."""

        def change(transaction: Transaction) -> None:
            members = dict(transaction.meta("members"))
            if member in members:
                return
            for other in members.values():
                if other["name"] == about["name"] or other["peer"] == about["peer"]:
                    raise ValueError(
                        "duplicate node name found, please use a unique name for this node"
                    )
            # etcd takes one at a time (etcd-io/etcd, membership.DefaultMaxLearners).
            if not all(other["voter"] for other in members.values()):
                raise ValueError(TOO_MANY_LEARNERS)
            members[member] = {**about, "voter": False}
            transaction.set_meta("members", members)

        self.transact(change)
        self._follow_up(member, self.term)

    # --- following ------------------------------------------------------------------------------

    def handle(self, verb: str, message: Object) -> Object:
        """Answer another member."""
        ours, theirs = self.store.meta.get("cluster-id"), message.get("cluster-id")
        if ours and theirs and ours != theirs:
            error(f"request cluster ID mismatch (got {theirs} want {ours})")
            raise ValueError("cluster ID mismatch")
        if verb == "leaving":
            with self.changed:
                if self.leader == message["leader"] and not self._stopped:
                    self._step_down(self.term, "")
                    self._patience = random.uniform(0.0, 0.4)
        if verb == "vote":
            return self._on_vote(message)
        if verb == "append":
            return self._on_append(message)
        return {"term": self.term}

    def _on_append(self, message: Object) -> Object:
        with self.changed:
            if message["term"] >= self.term and not self._stopped:
                if message["term"] > self.term or self.leader != message["leader"]:
                    self._step_down(message["term"], message["leader"])
                self._heard = time.monotonic()
                if "state" in message:
                    self.store.restore(message["state"])
                for entry in message["entries"]:
                    if entry["p"] == [self.store.index, self.store.term]:
                        self.store.apply(entry["t"], entry["i"], entry["ops"])
            at = [self.store.index, self.store.term]
            removed = self.members and self.me not in self.members
        if removed and at[0]:
            self._leave()
        return {"term": self.term, "at": at}

    def _on_vote(self, message: Object) -> Object:
        with self.changed:
            candidate, term = message["candidate"], message["term"]
            if self.members and candidate not in self.members and self.has_quorum:
                return {"term": self.term, "granted": False, "removed": True}
            current = (message["last_term"], message["last_index"]) >= (
                self.store.term,
                self.store.index,
            )
            content = self.has_quorum
            if message["pre"]:
                return {"term": self.term, "granted": current and not content and term > self.term}
            if term < self.term or content:
                return {"term": self.term, "granted": False}
            if term > self.term:
                self._step_down(term, "")
            granted = current and self._voted in ("", candidate)
            if granted:
                self._voted = candidate
                self._heard = time.monotonic()
                self._write_votes()
            return {"term": self.term, "granted": granted}

    def _watch_time(self) -> None:
        while not self._stopped:
            time.sleep(0.05)
            if self.leader == self.me:
                if not self._lease_holds():
                    info("stand-in lost contact with the majority of the etcd members")
                    self._step_down(self.term, "")
                continue
            alone = self._voters() == [self.me]
            quiet = time.monotonic() - self._heard
            if self.me in self._voters() and (alone or quiet > self._patience):
                self._campaign()

    def _campaign(self) -> None:
        with self.changed:
            self.leader = ""
            self._patience = random.uniform(*_PATIENCE)
            self._heard = time.monotonic()
            term = self.term + 1
        if not self._poll(term, pre=True):
            self._patience = random.uniform(*_FIRST_PATIENCE)
            return
        with self.changed:
            if self.term >= term:
                return
            self.term, self._voted = term, self.me
            self._write_votes()
        if self._poll(term, pre=False) and self.term == term:
            self._lead(term)

    def _poll(self, term: int, *, pre: bool) -> bool:
        message = {
            "term": term,
            "candidate": self.me,
            "last_term": self.store.term,
            "last_index": self.store.index,
            "pre": pre,
        }
        voters = self._voters()
        asked = [
            self._pool.submit(self._ask, self.members[voter]["peer"], "vote", message, timeout=1.0)
            for voter in voters
            if voter != self.me
        ]
        votes = 1
        for future in asked:
            try:
                answer = future.result()
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                continue
            if answer.get("removed"):
                self._leave()
                return False
            if answer["term"] > term:
                self._step_down(answer["term"], "")
            votes += bool(answer.get("granted"))
        return votes * 2 > len(voters) and not self._stopped

    def _step_down(self, term: int, leader: str) -> None:
        with self.changed:
            if term > self.term:
                self.term, self._voted = term, ""
                self._write_votes()
            self.leader = leader
            self._patience = random.uniform(*_PATIENCE)
            self._heard = time.monotonic()
            self._recent.clear()
            self.changed.notify_all()

    def _leave(self) -> None:
        with self.changed:
            if self._stopped:
                return
            self._stopped = True
            self.leader = ""
        self._on_removed()

    def _ask(self, url: str, verb: str, message: Object, timeout: float) -> Object:
        message = {**message, "cluster-id": self.store.meta.get("cluster-id", "")}
        answer = self._client.call("POST", f"{url}/peer/{verb}", message, timeout=timeout)
        if answer.status != 200:
            raise ValueError(f"{url}: HTTP {answer.status}")
        found: Object = answer.json()
        return found

    def _read_votes(self) -> tuple[int, str]:
        if not self._votes.exists():
            return self.store.term, ""
        term, voted = json.loads(self._votes.read_text())
        return max(term, self.store.term), voted if term >= self.store.term else ""

    def _write_votes(self) -> None:
        write_atomically(self._votes, json.dumps([self.term, self._voted]))
