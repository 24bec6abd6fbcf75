"""A cluster goes back to a snapshot: one server is made anew from it, the others join that one.

https://docs.k3s.io/cli/etcd-snapshot and https://docs.k3s.io/datastore/backup-restore say what K3s
needs: the snapshot, the token of that time, and no `server:` where the cluster is reset; the other
servers must not have a database. Nothing is deleted: former databases are moved aside, K3s itself
does so with that of the server it resets.

Each step notes on the server which request it served, in a place that a reboot empties. A restore
that was cut off is begun anew by the next command, which is a request of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.place import Place, Tools
from picluster.engine.quote import quote
from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Fact,
    Observation,
    Risk,
    Run,
    Satisfied,
    Script,
    Upload,
)
from picluster.engine.survey import Look
from picluster.kube.api import Api, segment
from picluster.kube.errors import NotFound
from picluster.kube.glance import Glance
from picluster.kube.reach import api_of
from picluster.model.releases import parse_version
from picluster.secret import Secret
from picluster.steps.host.text import told_size
from picluster.steps.k3s import paths
from picluster.steps.k3s.bundle import Bundle
from picluster.steps.k3s.service import Arrival, AwaitArrival, start
from picluster.steps.k3s.snapshots import refuse_other_datastores
from picluster.steps.k3s.state import (
    CREDENTIALS,
    STATE,
    K3sState,
    passphrase,
    read_credentials,
    read_state,
)
from picluster.steps.k3s.unit import UnitState

RESTORE = "restore-state"
ASIDE = "database-aside"

_NOTES = f"{paths.LOADED_DIR}/restore"
_STAGING = "/var/lib/picluster/restore"
_DB = f"{paths.SERVER_DIR}/db"
_SECRETS = "/api/v1/namespaces/kube-system/secrets"
_PASSWORD_ENDING = ".node-password.k3s"  # noqa: S105 - of a secret's name

_STOP_SECONDS = 300.0
_RESET_SECONDS = 900.0
_KIB = 1024


# ------------------------------------------------------------------ what is seen


def restore_fact() -> Fact:
    """Observe a server's part in a restore, and its databases with their sizes."""
    text = f"""
for note in {_NOTES}/*; do [ ! -r "$note" ] || echo "${{note##*/}}=$(cat "$note")"; done
[ ! -d {_DB}/etcd ] || echo "size=$(du -sk {_DB}/etcd | cut -f1)"
for old in {_DB}/etcd-old-* {_DB}/etcd-before-restore-*; do
  [ ! -d "$old" ] || echo "old=$(du -sk "$old" | cut -f1) $old"
done
"""
    return Fact(RESTORE, "what was restored here is known", Script(text))


def _served(seen: Observation, part: str, request: str) -> bool:
    return seen.facts.get(part) == request


def _note(part: str, request: str) -> str:
    return f"mkdir -p {_NOTES} && printf %s {quote(request)} >{_NOTES}/{part}\n"


def _size(kibibytes: str) -> str:
    return told_size(kibibytes, _KIB) or "of unknown size"


# ------------------------------------------------------------------ before anything is stopped


@dataclass(frozen=True, slots=True)
class Restorable:
    """A server can go back to the snapshot: its datastore, version and token allow it."""

    node: str
    bundle: Bundle
    name: str = "restorable"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.node} can go back to the snapshot"

    def probe(self) -> None:
        """The state of K3s, and the token that it has, say it all."""

    def decide(self, look: Look) -> Decision:
        """Refuse what K3s could not start from."""
        state = read_state(look.beside(STATE))
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
        token = read_credentials(look.beside(CREDENTIALS)).token
        if state.in_cluster and token and not _same(token, self.bundle.token()):
            return Blocked(
                f"{self.node} belongs to a cluster with another token than that of the snapshot",
                "`picluster reset` clears the nodes (volumes stay); then restore again, and the "
                "cluster of the snapshot is made on them",
            )
        return Satisfied()


def _same(one: Secret, other: Secret) -> bool:
    return passphrase(one) == passphrase(other)


# ------------------------------------------------------------------ the restore


@dataclass(frozen=True, slots=True)
class ServerStopped:
    """K3s on a server is stopped, until the cluster is back at the snapshot."""

    request: str
    name: str = "server-stopped"
    title: str = "K3s is stopped for the restore"

    def probe(self) -> None:
        """The state of the restore says it."""

    def decide(self, look: Look) -> Decision:
        """Want it stopped once for this request."""
        if _served(look.beside(RESTORE), "stopped", self.request):
            return Satisfied()
        if not read_state(look.beside(STATE)).unit:
            return Satisfied(detail="K3s is not installed yet")
        return Change(
            "stop k3s.service",
            (Run("systemctl stop k3s\n" + _note("stopped", self.request), timeout=_STOP_SECONDS),),
            reason="every server has to be, while the database is exchanged",
            risk=Risk.RESTART,
            retry_safe=True,
        )


@dataclass(frozen=True, slots=True)
class ClusterReset:
    """A server's database was made anew from the snapshot, with itself as the only member."""

    bundle: Bundle
    request: str
    name: str = "cluster-reset"
    title: str = "the first server's database is that of the snapshot"

    def probe(self) -> None:
        """The state of the restore says it."""

    def decide(self, look: Look) -> Decision:
        """Want it made anew once for this request."""
        if _served(look.beside(RESTORE), "reset", self.request):
            return Satisfied()
        staged = f"{_STAGING}/{self.bundle.origin.file}"
        size = look.beside(RESTORE).facts.get("size", "")
        aside = f"; the present one ({_size(size)}) is kept beside it" if size else ""
        return Change(
            f"make the database anew from {self.bundle.name}{aside}",
            (
                Upload(self.bundle.snapshot, staged, self.bundle.digest, mode=0o600),
                Run(_reset_script(staged) + _note("reset", self.request), timeout=_RESET_SECONDS),
            ),
            reason="asked for",
            risk=Risk.DATA_LOSS,
        )


def _reset_script(snapshot: str) -> str:
    """Return shell that has K3s reset the cluster; it ends by itself.

    K3s refuses while its configuration names a server to join, and where an earlier reset left its
    mark and K3s was not started since.
    """
    config = f"{_STAGING}/config.yaml"
    return f"""
systemctl stop k3s
umask 077
rm -rf {config} {config}.d {_DB}/reset-flag
grep -v '^server:' {paths.CONFIG} >{config}
for part in {paths.CONFIG}.d/*.yaml; do
  [ -e "$part" ] || continue
  mkdir -p {config}.d
  grep -v '^server:' "$part" >{config}.d/"${{part##*/}}"
done
{paths.BINARY} server --config {config} --cluster-reset \\
  --cluster-reset-restore-path={quote(snapshot)} >{_STAGING}/log 2>&1 || {{
  tail -n 40 {_STAGING}/log >&2; exit 1
}}
rm -rf {_STAGING}
"""


@dataclass(frozen=True, slots=True)
class DatabaseAside:
    """A server has no database, so that it joins the one that was made anew.

    The former one is kept beside its place.
    """

    request: str
    name: str = ASIDE
    title: str = "the server's former database is out of the way"

    def probe(self) -> None:
        """The state of the restore says it."""

    def decide(self, look: Look) -> Decision:
        """Want it moved once for this request."""
        seen = look.beside(RESTORE)
        if _served(seen, "aside", self.request) or "size" not in seen.facts:
            return Satisfied()
        aside = f"{_DB}/etcd-before-restore-{self.request}"
        move = f"systemctl stop k3s\nmv -T {_DB}/etcd {aside}\n"
        return Change(
            f"move this server's database ({_size(seen.facts['size'])}) to {aside}",
            (Run(move + _note("aside", self.request)),),
            reason="it joins the restored cluster anew",
            risk=Risk.DATA_LOSS,
            retry_safe=True,
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
        for item in api.call("GET", _SECRETS).get("items") or []:
            name = str(item["metadata"]["name"])
            if name.endswith(_PASSWORD_ENDING):
                _delete(api, f"{_SECRETS}/{segment(name)}")
        for node in self.fresh:
            _delete(api, f"/api/v1/nodes/{segment(node)}")


@dataclass(frozen=True, slots=True)
class RestoredServerRuns:
    """The server that was made anew is Ready, and its cluster takes every node as it is now.

    The snapshot knows nodes by the passwords that they had then: one that was replaced since, and
    every node when all cards are new, would be refused. It also knows nodes that are not there any
    more under their names; those machines register anew.
    """

    arrival: Arrival
    request: str
    name: str = "restored-server"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.arrival.node} is Ready, with what the snapshot holds"

    def probe(self) -> None:
        """The state of the restore says it."""

    def decide(self, look: Look) -> Decision:
        """Want it started once for this request."""
        if _served(look.beside(RESTORE), "running", self.request):
            return Satisfied()
        fresh = [
            node
            for node, seen in look.across(STATE).items()
            if node != self.arrival.node and _is_fresh(read_state(seen))
        ]
        return Change(
            "start k3s.service, and let it forget the passwords of nodes",
            (
                start(self.arrival.unit),
                ForgetNodes(self.arrival, tuple(fresh)),
                AwaitArrival(self.arrival),
                Run(_note("running", self.request)),
            ),
            reason="its database was made anew",
            retry_safe=True,
        )


def _is_fresh(state: K3sState) -> bool:
    return not (state.password or state.joined or state.in_cluster)


def _delete(api: Api, path: str) -> None:
    try:
        api.call("DELETE", path)
    except NotFound:
        return


@dataclass(frozen=True, slots=True)
class FormerDatabases:
    """Names the databases that restores left behind, for the user to delete."""

    name: str = "former-databases"
    title: str = "former databases are known"

    def probe(self) -> None:
        """The state of the restore says it."""

    def decide(self, look: Look) -> Decision:
        """Say where they are and how large."""
        old = [
            line.removeprefix("old=").split(" ", 1)
            for line in look.beside(RESTORE).lines
            if line.startswith("old=")
        ]
        kept = ", ".join(f"{path} ({_size(size)})" for size, path in old)
        hint = f"kept: {kept}; delete it when all is well" if kept else ""
        return Satisfied(warning=hint)
