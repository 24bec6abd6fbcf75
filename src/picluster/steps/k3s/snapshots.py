"""etcd's snapshots: what each server has, a new one taken, and one copied to this computer.

https://docs.k3s.io/cli/etcd-snapshot says how K3s takes them, and that the token of the cluster is
needed to use one.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from picluster.engine.place import Place, Tools
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.session import Completed
from picluster.engine.step import Blocked, Change, Decision, Fact, Inferred, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import ActionFailed, PiclusterError
from picluster.model import Cluster, Node
from picluster.secret import Secret
from picluster.steps.k3s import bundle, paths
from picluster.steps.k3s.bundle import Bundle, Origin
from picluster.steps.k3s.state import STATE, K3sState

COPIED = "snapshot-copied"

_SAVE_SECONDS = 600.0
_READ_SECONDS = 120.0
_BLOCK = 4 * 1024 * 1024
_MOST_SAID = 300
_LISTED = re.compile(r"([0-9]{1,18}) ([0-9]{1,12}(?:\.[0-9]*)?) (.+)")
_DESCRIBED = re.compile(r"(v[0-9A-Za-z.+-]{1,60})\s+([0-9]{1,12})\s+([0-9]{1,18})\s+([0-9a-f]{64})")


# ------------------------------------------------------------------ what there is


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot file on a server: its name, size in bytes, and when it was written (epoch)."""

    server: str
    name: str
    size: int
    taken: float


def snapshot_directory(cluster: Cluster, node: Node) -> str:
    """Return where K3s keeps a server's snapshots."""
    given = cluster.k3s_for(node).options.get("etcd-snapshot-dir")
    return str(given) if given else f"{paths.SERVER_DIR}/db/snapshots"


def snapshots_on(server: str, directory: str) -> ShellProbe[tuple[Snapshot, ...]]:
    """Return what asks for the snapshots of one server, by time; other lines are left out."""

    def read(seen: Observation) -> tuple[Snapshot, ...]:
        listed = filter(None, map(_LISTED.fullmatch, seen.lines))
        found = [Snapshot(server, each[3], int(each[1]), float(each[2])) for each in listed]
        return tuple(sorted(found, key=lambda each: each.taken))

    where = quote(directory)
    listing = f"find {where} -maxdepth 1 -type f ! -name '.*' -printf '%s %T@ %f\\n'"
    return ShellProbe("snapshots", f"[ ! -d {where} ] || {listing}", read)


def snapshots_fact(server: str, directory: str) -> Fact:
    """Look at the snapshots of one server."""
    probe = snapshots_on(server, directory)
    return Fact(probe.name, "the snapshots on the server are known", probe)


@dataclass(frozen=True, slots=True)
class BundlesHere:
    """The snapshots on this computer."""

    store: Path
    name: str = "snapshots-here"
    secret: bool = False

    def ask(self, tools: Tools) -> tuple[Bundle, ...]:
        return tuple(bundle.bundles_in(self.store))


def here_fact(store: Path) -> Fact:
    """Look at the snapshots on this computer."""
    here = BundlesHere(store)
    return Fact(here.name, "the snapshots on this computer are known", here)


def find_here(bundles: Sequence[Bundle], name: str) -> Bundle | None:
    """Return the snapshot of that name, or the one that was a file of that name on a server."""
    by_name = [each for each in bundles if each.name == name]
    by_file = [each for each in bundles if each.origin.file == name]
    return next(iter([*by_name, *by_file]), None)


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the advice for a snapshot that does not exist."""
    meant = get_close_matches(name, known, n=1)
    return f"did you mean {meant[0]}?" if meant else "`picluster snapshot list` names all"


# ------------------------------------------------------------------ from a server to this computer


@dataclass(frozen=True, slots=True)
class Copying:
    """How a snapshot comes to this computer, together with what is needed to use it.

    `store` is the directory of the cluster's snapshots here, `file` the cluster file,
    `directories` where each server keeps its own.
    """

    cluster: str
    store: Path
    file: Path
    directories: Mapping[str, str]

    def here(self, look: Look) -> tuple[Bundle, ...]:
        """Return the snapshots on this computer; none where nobody looked."""
        return look.find(BundlesHere(self.store), CLUSTER) or ()

    def on_servers(self, look: Look) -> list[Snapshot]:
        """Return those of every server that was looked at, by server and then by time."""
        seen = (look.find(snapshots_on(*each), each[0]) for each in self.directories.items())
        return [snapshot for each in seen for snapshot in each or ()]

    def save(self, server: str, name: str, place: Place) -> str:
        """Have K3s take a snapshot on a server; return its path there. Raises `ActionFailed`."""
        place.progress.report(f"K3s takes a snapshot on {server}")
        directory = quote(self.directories[server])
        script = f"""
{paths.BINARY} etcd-snapshot save --name {quote(name)} >&2 || exit 1
ls -1t {directory}/{quote(name)}-* | head -n 1
"""
        done = _ask(place, server, script, "take a snapshot", _SAVE_SECONDS)
        path = done.text.strip()
        if not path:
            raise _failure(server, "K3s took a snapshot that is not to be found", directory)
        return path

    def copy(self, server: str, path: str, name: str, place: Place) -> None:
        """Copy a snapshot file of a server and its belongings. Raises `ActionFailed`."""

        def fill(part: Path) -> Origin:
            origin, size = self._describe(server, path, place)
            if size > shutil.disk_usage(part).free:
                raise OSError(errno.ENOSPC, f"there is no room for {size / 1e6:.1f} MB")
            self._belongings(server, part, place)
            place.progress.report(f"copying {origin.file} from {server}")
            found = bundle.write_file(part / origin.file, _blocks(server, path, size, place))
            if found != origin.digest:
                raise _failure(
                    server,
                    f"{origin.file} did not arrive as it is on the server",
                    f"its SHA-256 is {found} here, and {origin.digest} there",
                )
            bundle.write_file(part / bundle.VERSION, [f"{origin.k3s}\n".encode()])
            return origin

        try:
            bundle.make_bundle(self.store, name, fill)
        except OSError as error:
            raise ActionFailed(
                "the snapshot cannot be stored on this computer",
                where=str(self.store),
                why=error.strerror or str(error),
                fix="make room there, or make it a directory that you may write to",
            ) from error

    def _describe(self, server: str, path: str, place: Place) -> tuple[Origin, int]:
        """Return what the server says of a snapshot, and its size in bytes."""
        script = f"""set -e
{paths.BINARY} --version | sed -n '1s/^k3s version \\([^ ]*\\).*/\\1/p'
stat -c '%Y %s' {quote(path)}
sha256sum <{quote(path)} | cut -d' ' -f1
"""
        said = _ask(place, server, script, f"read {path}").text.strip()
        found = _DESCRIBED.fullmatch(said)
        if found is None:
            raise _failure(server, f"{path} could not be described", said[-_MOST_SAID:])
        version, taken, size, digest = found.groups()
        name = PurePosixPath(path).name
        return Origin(self.cluster, server, name, version, float(taken), digest), int(size)

    def _belongings(self, server: str, part: Path, place: Place) -> None:
        for name, path in (
            (bundle.TOKEN, f"{paths.SERVER_DIR}/token"),
            (bundle.CONFIG, paths.CONFIG),
        ):
            content = _ask(place, server, f"cat {quote(path)}", f"read {path}").out
            if name == bundle.TOKEN:
                Secret(content.decode("utf-8", "replace").strip())  # masked from here on
            bundle.write_file(part / name, [content])
        bundle.write_file(part / bundle.CLUSTER_FILE, [self.file.read_bytes()])


def _blocks(server: str, path: str, size: int, place: Place) -> Iterator[bytes]:
    """Yield the file in pieces: a large snapshot is never in memory as a whole.

    Raises `ActionFailed` for more than the `size` that the server said.
    """
    got = 0
    while got < size:
        script = f"dd if={quote(path)} bs={_BLOCK} skip={got // _BLOCK} count=1 status=none"
        block = _ask(place, server, script, f"read {path}").out
        got += len(block)
        if len(block) > _BLOCK or got > size:
            raise _failure(server, f"{path} is larger than it should be", f"{size} bytes were said")
        yield block
        if len(block) < _BLOCK:
            return
        place.progress.follow(f"copied {got // 1024 // 1024} MiB from {server}")


def _ask(
    place: Place, server: str, script: str, doing: str, seconds: float = _READ_SECONDS
) -> Completed:
    done = place.sessions.get(server).run(script, timeout=seconds)
    if done.status != 0:
        raise _failure(server, f"cannot {doing}", done.last_words)
    return done


def _failure(server: str, what: str, why: str) -> ActionFailed:
    return ActionFailed(
        what,
        where=server,
        why=why,
        fix="`journalctl -u k3s` on the server says more; then run the same command again",
    )


# ------------------------------------------------------------------ the steps


def refuse_other_datastores(server: str, datastore: str) -> Blocked | None:
    """Refuse servers without embedded etcd: there is nothing that K3s could take snapshots of."""
    if datastore == "sqlite":
        return Blocked(
            f"{server} keeps the cluster's data in SQLite, and only embedded etcd has snapshots",
            f"with K3s stopped, copy {paths.SERVER_DIR}/db and {paths.SERVER_DIR}/token from "
            f"{server}; or make it highly available: with three servers in the file, "
            "`picluster up` turns SQLite into etcd and keeps what is in it",
        )
    return None


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Take a snapshot on the first of these servers that can, and copy it here."""

    servers: tuple[str, ...]
    label: str
    copying: Copying
    title: str = "taking a snapshot"

    def perform(self, place: Place) -> None:
        """Do it: a server that is about to join cannot. Raises the failure of the first one."""
        failure: PiclusterError | None = None
        for server in self.servers:
            try:
                path = self.copying.save(server, self.label, place)
            except PiclusterError as error:
                failure = failure or error
                continue
            self.copying.copy(server, path, self.label, place)
            return
        if failure is not None:
            raise failure


@dataclass(frozen=True, slots=True)
class CopySnapshot:
    """Copy a snapshot of a server here."""

    server: str
    label: str
    copying: Copying

    @property
    def title(self) -> str:
        return f"copying from {self.server}"

    def perform(self, place: Place) -> None:
        """Do it. Raises `ActionFailed`."""
        path = f"{self.copying.directories[self.server]}/{self.label}"
        self.copying.copy(self.server, path, self.label, place)


@dataclass(frozen=True, slots=True)
class Saved(Inferred):
    """A snapshot was taken, and is on this computer."""

    label: str
    copying: Copying
    reason: str = "asked for"
    name: str = COPIED

    @property
    def title(self) -> str:
        return f"the snapshot {self.label} is on this computer"

    def decide(self, look: Look) -> Decision:
        for present in self.copying.here(look):
            if present.name == self.label:
                return Blocked(
                    f"a snapshot {self.label} is on this computer already",
                    f"choose another --name, or remove the directory {present.directory}",
                )
        states = self.states(look)
        for server, state in states.items():
            refusal = refuse_other_datastores(server, state.datastore)
            if refusal is not None:
                return refusal
        holders = [each for each, state in states.items() if state.in_cluster and state.active]
        if not holders:
            return Blocked(
                "K3s runs on no server, and only a cluster that works can be saved",
                "bring it up first (`picluster validate` says what is wrong); the snapshots that "
                "were taken before are in `picluster snapshot list`",
            )
        return Change(
            f"take the snapshot {self.label}, and copy it to {self.copying.store / self.label}",
            (TakeSnapshot(tuple(holders), self.label, self.copying),),
            reason=self.reason,
            once=True,
        )

    def states(self, look: Look) -> dict[str, K3sState]:
        """Return what is known of K3s on the servers."""
        seen = {server: look.find(STATE, server) for server in self.copying.directories}
        return {server: state or K3sState() for server, state in seen.items()}


@dataclass(frozen=True, slots=True)
class SavedBeforeUpgrade(Inferred):
    """The cluster's data is on this computer before any server runs another version of K3s.

    A newer K3s may change the data in a way that an older one cannot read.
    """

    version: str
    saved: Saved
    name: str = COPIED

    @property
    def title(self) -> str:
        return "the cluster's data is saved before its version changes"

    def decide(self, look: Look) -> Decision:
        """Want a snapshot if a server of an etcd cluster is about to change its version."""
        states = self.saved.states(look)
        pending = [
            server
            for server, state in states.items()
            if state.version not in ("", self.version) and state.in_cluster
        ]
        if not pending:
            return Satisfied()
        if any(states[server].datastore == "sqlite" for server in pending):
            return Satisfied(
                warning="the data is in SQLite, of which K3s takes no snapshots: copy "
                f"{paths.SERVER_DIR} of {pending[0]} yourself before an upgrade"
            )
        return self.saved.decide(look)


@dataclass(frozen=True, slots=True)
class SnapshotHere(Inferred):
    """A snapshot that is on a server is on this computer too."""

    label: str
    copying: Copying
    name: str = COPIED

    @property
    def title(self) -> str:
        return f"the snapshot {self.label} is on this computer"

    def decide(self, look: Look) -> Decision:
        """Copy it from the first server that has it, unless it is here."""
        present = find_here(self.copying.here(look), self.label)
        if present is not None:
            return Satisfied(detail=str(present.directory))
        offered = self.copying.on_servers(look)
        source = next((each for each in offered if each.name == self.label), None)
        if source is None:
            return Blocked(
                f"there is no snapshot {self.label}, neither here nor on a server",
                nearest(self.label, [each.name for each in offered]),
            )
        return Change(
            f"copy {self.label} from {source.server} to {self.copying.store / self.label}",
            (CopySnapshot(source.server, self.label, self.copying),),
            reason="it is not here yet",
        )
