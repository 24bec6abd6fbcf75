"""A cluster goes back to a snapshot: one server is made anew from it, the others join that one.

https://docs.k3s.io/cli/etcd-snapshot and https://docs.k3s.io/datastore/backup-restore say what K3s
needs: the snapshot, the token of that time, and no `server:` where the cluster is reset; the other
servers must not have a database. Nothing is deleted: former databases are moved aside, K3s itself
does so with that of the server it resets.

Each step is done once for a command. A restore that was cut off is begun anew by the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.place import Place, Tools
from picluster.engine.probe import Observation, ShellProbe, shown, whole
from picluster.engine.quote import quote
from picluster.engine.shell import shell
from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Fact,
    Inferred,
    Risk,
    Run,
    Satisfied,
    Upload,
)
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.kube.api import segment
from picluster.kube.glance import Glance
from picluster.kube.objects import delete, items
from picluster.kube.reach import api_of
from picluster.model.releases import parse_version
from picluster.steps.k3s import paths
from picluster.steps.k3s.bundle import Bundle
from picluster.steps.k3s.service import Arrival, AwaitArrival, start
from picluster.steps.k3s.snapshots import refuse_other_datastores
from picluster.steps.k3s.state import CREDENTIALS, STATE, K3sState, passphrase
from picluster.steps.k3s.unit import UnitState
from picluster.steps.sizes import size_text

_STAGING = "/var/lib/picluster/restore"
_DB = f"{paths.SERVER_DIR}/db"
_SECRETS = "/api/v1/namespaces/kube-system/secrets"
_PASSWORD_ENDING = ".node-password.k3s"  # noqa: S105 - of a secret's name

_STOP_SECONDS = 300.0
_RESET_SECONDS = 900.0
_KIB = 1024


# ------------------------------------------------------------------ what is seen


@dataclass(frozen=True, slots=True)
class Former:
    """A database that a restore put aside: where it is, and its size in KiB if that is known."""

    path: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Databases:
    """The databases of a server: whether it has one, of how many KiB, and those put aside."""

    present: bool
    size: int | None
    former: tuple[Former, ...]


def _read_databases(seen: Observation) -> Databases:
    former = tuple(map(_read_former, seen.every("old")))
    return Databases(seen.has("size"), _read_size(seen.text("size", "")), former)


def _read_former(line: str) -> Former:
    size, found, path = line.partition(" ")
    if not found:
        raise Unreadable(f"`old` is no size and path: {shown(line)}")
    return Former(path, _read_size(size))


def _read_size(text: str) -> int | None:
    return whole(text, "size") if text else None


DATABASES = ShellProbe(
    "databases", shell(__package__, "look_for_databases", DB=_DB), _read_databases
)


def databases_fact() -> Fact:
    """Look at a server's databases, for others to decide on."""
    return Fact(DATABASES.name, "what databases there are is known", DATABASES)


def _size(kibibytes: int | None) -> str:
    return "of unknown size" if kibibytes is None else size_text(kibibytes * _KIB)


# ------------------------------------------------------------------ before anything is stopped


@dataclass(frozen=True, slots=True)
class Restorable(Inferred):
    """A server can go back to the snapshot: its datastore, version and token allow it."""

    node: str
    bundle: Bundle
    name: str = "restorable"

    @property
    def title(self) -> str:
        return f"{self.node} can go back to the snapshot"

    def decide(self, look: Look) -> Decision:
        state = look.read(STATE)
        refusal = refuse_other_datastores(self.node, state.datastore)
        if refusal is not None:
            return refusal
        here, then = parse_version(state.version), parse_version(self.bundle.origin.k3s)
        if here is not None and then is not None and here < then:
            return Blocked(
                f"K3s {state.version} is older than the snapshot, which is of "
                f"{self.bundle.origin.k3s}, and could not read it",
                f"set k3s.version to {self.bundle.origin.k3s} and run `picluster upgrade` first",
            )
        token = look.read(CREDENTIALS).token
        if state.in_cluster and token and passphrase(token) != passphrase(self.bundle.token()):
            return Blocked(
                f"{self.node} belongs to a cluster with another token than that of the snapshot",
                "`picluster reset` clears the nodes (volumes stay); then restore again, and the "
                "cluster of the snapshot is made on them",
            )
        return Satisfied()


# ------------------------------------------------------------------ the restore


@dataclass(frozen=True, slots=True)
class ServerStopped(Inferred):
    """K3s on a server is stopped, until the cluster is back at the snapshot."""

    name: str = "server-stopped"
    title: str = "K3s is stopped for the restore"

    def decide(self, look: Look) -> Decision:
        if not look.read(STATE).unit:
            return Satisfied(detail="K3s is not installed yet")
        return Change(
            "stop k3s.service",
            (Run("systemctl stop k3s", timeout=_STOP_SECONDS),),
            reason="every server has to be, while the database is exchanged",
            risk=Risk.RESTART,
            once=True,
        )


@dataclass(frozen=True, slots=True)
class ClusterReset(Inferred):
    """A server's database was made anew from the snapshot, with itself as the only member."""

    bundle: Bundle
    name: str = "cluster-reset"
    title: str = "the first server's database is that of the snapshot"

    def decide(self, look: Look) -> Decision:
        staged = f"{_STAGING}/{self.bundle.origin.file}"
        seen = look.read(DATABASES)
        aside = f"; the present one ({_size(seen.size)}) is kept beside it" if seen.present else ""
        return Change(
            f"make the database anew from {self.bundle.name}{aside}",
            (
                Upload(self.bundle.snapshot, staged, self.bundle.digest, mode=0o600),
                Run(_reset_script(staged), timeout=_RESET_SECONDS),
            ),
            reason="asked for",
            risk=Risk.DATA_LOSS,
            once=True,
            retry_safe=False,
        )


def _reset_script(snapshot: str) -> str:
    return shell(
        __package__,
        "reset_cluster",
        BINARY=paths.BINARY,
        CONFIG=paths.CONFIG,
        DB=_DB,
        SNAPSHOT=snapshot,
        STAGING=_STAGING,
    )


@dataclass(frozen=True, slots=True)
class DatabaseAside(Inferred):
    """A server has no database, so that it joins the one that was made anew.

    The former one is kept beside its place, under a name that ends with `began`.
    """

    began: str
    name: str = "database-aside"
    title: str = "the server's former database is out of the way"

    def decide(self, look: Look) -> Decision:
        """Want the one that it has moved."""
        seen = look.read(DATABASES)
        if not seen.present:
            return Satisfied()
        aside = f"{_DB}/etcd-before-restore-{self.began}"
        return Change(
            f"move this server's database ({_size(seen.size)}) to {aside}",
            (Run(f"systemctl stop k3s\nmv -T {_DB}/etcd {quote(aside)}\n"),),
            reason="it joins the restored cluster anew",
            risk=Risk.DATA_LOSS,
        )


@dataclass(frozen=True, slots=True)
class ForgetNodes:
    """Have a restored cluster forget the passwords of all nodes, and those that are `fresh`.

    As soon as the API answers: a node that comes earlier is refused.
    """

    arrival: Arrival
    fresh: tuple[str, ...]
    title: str = "waiting for the API"

    def perform(self, place: Place) -> None:
        """Wait for the API, and do it. Raises `WaitFailed` with the cause that K3s names."""

        def remembered(_: UnitState) -> str:
            self._forget(place.tools)
            return ""

        self.arrival.follow_while(remembered, place)

    def _forget(self, tools: Tools) -> None:
        """Raises a `PiclusterError` while the API does not answer."""
        api = Glance(api_of(tools))
        for item in items(api, _SECRETS):
            name = str(item["metadata"]["name"])
            if name.endswith(_PASSWORD_ENDING):
                delete(api, f"{_SECRETS}/{segment(name)}")
        for node in self.fresh:
            delete(api, f"/api/v1/nodes/{segment(node)}")


@dataclass(frozen=True, slots=True)
class RestoredServerRuns(Inferred):
    """The server that was made anew is Ready, and its cluster takes every node as it is now.

    The snapshot knows nodes by the passwords that they had then: one that was replaced since, and
    every node when all cards are new, would be refused. It also knows nodes that are not there any
    more under their names; those machines register anew.
    """

    arrival: Arrival
    name: str = "restored-server"

    @property
    def title(self) -> str:
        return f"{self.arrival.node} is Ready, with what the snapshot holds"

    def decide(self, look: Look) -> Decision:
        fresh = [
            node
            for node, state in look.every(STATE).items()
            if node != self.arrival.node and _is_fresh(state)
        ]
        return Change(
            "start k3s.service, and let it forget the passwords of nodes",
            (
                start(self.arrival.unit),
                ForgetNodes(self.arrival, tuple(fresh)),
                AwaitArrival(self.arrival),
            ),
            reason="its database was made anew",
            once=True,
        )


def _is_fresh(state: K3sState) -> bool:
    return not (state.password or state.joined or state.in_cluster)


@dataclass(frozen=True, slots=True)
class FormerDatabases(Inferred):
    """Names the databases that restores left behind, for the user to delete."""

    name: str = "former-databases"
    title: str = "former databases are known"

    def decide(self, look: Look) -> Decision:
        former = look.read(DATABASES).former
        kept = ", ".join(f"{each.path} ({_size(each.size)})" for each in former)
        hint = f"kept: {kept}; delete it when all is well" if kept else ""
        return Satisfied(warning=hint)
