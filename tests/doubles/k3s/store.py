"""The cluster's state: objects, members and versions; kept in memory, journalled to disk.

A change is an *entry*: a list of operations that the leader worked out, with a term and an index.
Followers apply entries as they are, so that all members hold the same objects.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from .log import log

Object: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str, str, str]
"""Group, plural, namespace (empty if cluster-wide), name."""
Operation: TypeAlias = list[Any]
"""`["put", key, object]`, `["del", key, version]` or `["meta", name, value]`."""

_EVENTS = 4000
_SLOW_SYNC_SECONDS = 1.0
_LEASE_SECONDS = 10.0
_ENTRIES_PER_SNAPSHOT = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """What a watcher is told: `kind` is ADDED, MODIFIED or DELETED."""

    version: int
    kind: str
    key: Key
    object: Object
    before: Object | None


class Compacted(Exception):
    """A watch asked for changes that are forgotten (HTTP 410)."""


@contextmanager
def on_time() -> Iterator[None]:
    """Complain of a disk that is too slow for etcd, as K3s does, and end as it does in the end."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    if took > _SLOW_SYNC_SECONDS:
        log("warning", f"slow fdatasync took={took:.2f}s expected-duration=1s (stand-in)")
    if took > _LEASE_SECONDS:
        log("fatal", "leaderelection lost for kube-controller-manager (stand-in)")
        os._exit(1)  # systemd starts it again


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.tmp")
    part.unlink(missing_ok=True)
    part.touch(mode=mode)
    part.write_text(text)
    part.chmod(mode)
    part.replace(path)


class Store:
    """All objects of the cluster. Objects in it are never changed in place, only replaced.

    `snapshot` and `journal` are the files it is kept in; without them it lives in memory only.
    """

    def __init__(self, snapshot: Path | None = None, journal: Path | None = None) -> None:
        self.objects: dict[Key, Object] = {}
        self.meta: dict[str, Any] = {}
        self.version = 0
        self.index = 0
        self.term = 0
        self.changed = threading.Condition(threading.RLock())
        self._events: deque[Event] = deque(maxlen=_EVENTS)
        self._forgotten = 0
        self._snapshot, self._journal = snapshot, journal
        self._journalled = 0
        if snapshot is not None:
            self._load()

    def apply(self, term: int, index: int, operations: list[Operation]) -> None:
        """Take in one entry, keep it on disk, and wake the watchers."""
        with self.changed:
            self._append({"t": term, "i": index, "ops": operations})
            self._do(term, index, operations)
            self.changed.notify_all()

    def _do(self, term: int, index: int, operations: list[Operation]) -> None:
        for verb, where, what in operations:
            if verb == "meta":
                self.meta[where] = what
                continue
            key: Key = tuple(where)
            old = self.objects.get(key)
            if verb == "put":
                self.objects[key] = what
                self.version = int(what["metadata"]["resourceVersion"])
                event = Event(self.version, "MODIFIED" if old else "ADDED", key, what, old)
            elif old is not None:
                del self.objects[key]
                self.version = what
                last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(what)}}
                event = Event(what, "DELETED", key, last, old)
            else:
                continue
            if len(self._events) == _EVENTS:
                self._forgotten = self._events[0].version
            self._events.append(event)
        self.term, self.index = term, index

    def events_after(self, version: int) -> list[Event]:
        """Return what happened since a version. Raises `Compacted` if that is forgotten."""
        with self.changed:
            if version < self._forgotten:
                raise Compacted
            if not self._events or self._events[-1].version <= version:
                return []
            return [event for event in self._events if event.version > version]

    def listed(self, group: str, plural: str, namespace: str = "") -> Iterator[tuple[Key, Object]]:
        """Return the objects of a kind, of one namespace or of all, by key."""
        with self.changed:
            found = [
                (key, value)
                for key, value in self.objects.items()
                if key[0] == group and key[1] == plural and (not namespace or key[2] == namespace)
            ]
        return iter(sorted(found, key=lambda pair: pair[0]))

    def dump(self) -> Object:
        """Return everything, as plain data."""
        with self.changed:
            return {
                "term": self.term,
                "index": self.index,
                "version": self.version,
                "meta": dict(self.meta),
                "objects": [[list(key), value] for key, value in self.objects.items()],
            }

    def restore(self, state: Object) -> None:
        """Replace everything. Watchers must list anew, as what happened between is not known."""
        with self.changed:
            self._take(state)
            self._events.clear()
            self._forgotten = self.version
            self.save()
            self.changed.notify_all()

    def _take(self, state: Object) -> None:
        self.objects = {tuple(key): value for key, value in state["objects"]}
        self.meta = dict(state["meta"])
        self.version, self.index, self.term = state["version"], state["index"], state["term"]

    def save(self) -> None:
        """Write the snapshot, and start the journal anew."""
        if self._snapshot is None or self._journal is None:
            return
        with self.changed, on_time():
            write_atomically(self._snapshot, json.dumps(self.dump(), separators=(",", ":")))
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._journal, "")
            self._journalled = 0

    def _append(self, entry: Object) -> None:
        if self._journal is None:
            return
        if self._journalled >= _ENTRIES_PER_SNAPSHOT or not self._journal.exists():
            self.save()
        self._journalled += 1
        with on_time(), self._journal.open("a") as file:
            file.write(json.dumps(entry, separators=(",", ":")) + "\n")
            file.flush()
            os.fdatasync(file.fileno())

    def _load(self) -> None:
        assert self._snapshot is not None
        assert self._journal is not None
        if self._snapshot.exists():
            self._take(json.loads(self._snapshot.read_text()))
        for line in self._journal.read_text().splitlines() if self._journal.exists() else ():
            try:
                entry = json.loads(line)
            except ValueError:
                break  # the machine died while writing it: it was never answered
            if entry["i"] > self.index:
                self._do(entry["t"], entry["i"], entry["ops"])
        self._events.clear()
        self._forgotten = self.version
        if self.index:
            self.save()
