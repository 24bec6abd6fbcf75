"""What the phases of one cluster share besides the model: connections, files, API and token."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.session import Session
from picluster.errors import NodeError, PreflightRefused
from picluster.kube.health import readyz
from picluster.kube.link import Server
from picluster.kube.quorum import Allowed, Refused, Ruling, may_disrupt
from picluster.model import Cluster
from picluster.secret import Secret
from picluster.steps.access.login import KeyLogin
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.artifacts import Artifacts
from picluster.steps.k3s.paths import SERVER_DIR
from picluster.steps.k3s.snapshots import Copying, snapshot_directory
from picluster.steps.k3s.token import Token, choose_token
from picluster.steps.registry.certificates import Trust, choose_authority
from picluster.steps.registry.credentials import Credentials, credentials
from picluster.steps.storage.only_copies import NOTHING_NAMED, VolumeConsents


def _keep_quiet(_: str, __: Secret) -> None:
    """Show nobody: the password stays where it is kept."""


def no_other_way(node: str) -> Session:
    """Raise `NodeError`: stands for a way in that was not given."""
    raise NodeError(
        "there is no way to log in by key alone", where=node, fix="name a key as ssh.key"
    )


Disclose = Callable[[str, Secret], None]
"""Shows the user a generated password: whose it is, and the password. Nothing records it."""


@dataclass(frozen=True, slots=True)
class Consents:
    """What the user agreed to on the command line, for this run only.

    `format_disks` are disks, by node and device, that everything may be deleted on;
    `force_conflicts` is to take over fields of Kubernetes objects that others set; `volumes` says
    what becomes of those that go with a node.
    """

    format_disks: frozenset[tuple[str, str]] = frozenset()
    force_conflicts: bool = False
    volumes: VolumeConsents = NOTHING_NAMED


NOTHING_SPECIAL = Consents()


@dataclass(frozen=True, slots=True)
class Site:
    """One cluster and the means to work on it. Making one opens no connection.

    `file` is the cluster file, `began` the time when this run did, in UTC and fit for a name.
    `snapshots` is where this computer keeps those of the cluster, `cache` what can be had again.
    """

    cluster: Cluster
    file: Path
    began: str
    sessions: Sessions
    api: ClusterApi
    token: Token
    user_kubeconfig: Path
    snapshots: Path
    cache: Path
    credentials: tuple[Path, ...]
    """The files of this computer that open the cluster to picluster."""
    registry_users: Credentials | None = None
    registry_trust: Trust | None = None
    consents: Consents = NOTHING_SPECIAL
    disclose: Disclose = _keep_quiet
    tools: Tools = field(default_factory=Tools)
    """What actions and live probes use."""

    def quorum_guard(self, server: str) -> None:
        """Raise `PreflightRefused` unless the cluster keeps its majority without this server."""
        nodes = self.api.nodes()
        if nodes is None:
            self._refuse_blind_disruption(server)
            return
        readiness = {
            node.name: readyz(self.api.access().at(node.name)) for node in self.cluster.servers
        }
        verdict = may_disrupt(server, nodes, readiness, list(readiness))
        if isinstance(verdict, Refused):
            raise PreflightRefused(verdict.reason, where=server, fix=verdict.fix)

    def removal_guard(self, node: str) -> None:
        """Raise `PreflightRefused` unless the cluster keeps its majority once this node is gone."""
        verdict = self.removal_ruling(node)
        if isinstance(verdict, Refused):
            raise PreflightRefused(verdict.reason, where=node, fix=verdict.fix)

    def removal_ruling(self, node: str) -> Ruling:
        """Judge whether the cluster keeps its majority once this node is gone."""
        nodes = self.api.nodes()
        readiness = {
            server.name: readyz(self.api.access().at(server.name))
            for server in self.cluster.servers
            if nodes is not None
        }
        if nodes is not None and node in nodes and not nodes[node].is_server:
            return Allowed()
        return may_disrupt(node, nodes, readiness, (), destructive=True)

    def _refuse_blind_disruption(self, server: str) -> None:
        """Refuse while the API is silent and other servers hold data: they may need this one.

        A server without data has no vote that they could need: it may be one that is still to join.
        """
        if not self._may_hold_data(server):
            return
        others = [
            node.name
            for node in self.cluster.servers
            if node.name != server and self._may_hold_data(node.name)
        ]
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
        look = f"[ -e {SERVER_DIR}/db/etcd ] || [ -e {SERVER_DIR}/db/state.db ]"
        try:
            return self.sessions.get(server).run(look, timeout=30).status == 0
        except NodeError:
            return True


def copying(site: Site) -> Copying:
    """Return how a cluster's snapshots come to this computer."""
    directories = {
        server.name: snapshot_directory(site.cluster, server) for server in site.cluster.servers
    }
    return Copying(site.cluster.name, site.snapshots, site.file, directories)


def make_site(
    cluster: Cluster,
    sessions: Sessions,
    *,
    file: Path,
    state: Path,
    cache: Path,
    user_kubeconfig: Path,
    token: Secret | None,
    registry_password: Secret | None = None,
    consents: Consents = NOTHING_SPECIAL,
    disclose: Disclose = _keep_quiet,
    by_key: Callable[[str], Session] = no_other_way,
) -> Site:
    """Put together what the phases need. `state` and `cache` are directories of this cluster's."""
    k3s, registry = cluster.k3s, cluster.registry
    api = ClusterApi(
        tuple(Server(node.name, node.address) for node in cluster.servers),
        sessions,
        state / "kubeconfig",
    )
    artifacts = Artifacts(
        version=k3s.version,
        release_url=k3s.release_url,
        install_url=k3s.install_url,
        airgap_dir=k3s.airgap_dir,
        cache=cache / "k3s",
        install_sha256=k3s.install_sha256,
    )
    tls = registry is not None and registry.tls
    return Site(
        cluster=cluster,
        file=file,
        began=time.strftime("%Y%m%dt%H%M%Sz", time.gmtime()),
        sessions=sessions,
        api=api,
        token=choose_token(token, state / "token"),
        user_kubeconfig=user_kubeconfig,
        snapshots=state / "snapshots",
        cache=cache,
        credentials=tuple(state / name for name in ("kubeconfig", "token", "registry-ca.pem")),
        registry_users=credentials(registry.username, registry_password) if registry else None,
        registry_trust=choose_authority(cluster.name, state / "registry-ca.pem") if tls else None,
        consents=consents,
        disclose=disclose,
        tools=Tools(sessions, api, artifacts, KeyLogin(by_key)),
    )
