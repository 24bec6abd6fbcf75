"""One command on one cluster: what it may touch, and the means to work on it. Nothing changes it.

What does change has one owner each: a run's failures are the `Run`'s, connections and the nodes
that are away are the `Sessions`', and where events go is the CLI's affair.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from picluster.engine.events import Emit
from picluster.engine.place import Brought, Tools
from picluster.engine.pool import Sessions
from picluster.engine.session import Session
from picluster.engine.survey import CLUSTER
from picluster.errors import NodeError
from picluster.kube.link import Server
from picluster.model import Cluster
from picluster.paths import Here
from picluster.secret import Secret
from picluster.steps.access.login import KeyLogin
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.artifacts import Artifacts
from picluster.steps.k3s.guard import QuorumGuard
from picluster.steps.k3s.token import Token, choose_token
from picluster.steps.registry.authority import Trust
from picluster.steps.registry.credentials import Credentials, credentials
from picluster.steps.spread import Spreading
from picluster.steps.storage.only_copies import NOTHING_NAMED, VolumeConsents


def _keep_quiet(_: object) -> None:
    """Tell nobody."""


def no_other_way(node: str) -> Session:
    """Raise `NodeError`: stands for a way in that was not given."""
    raise NodeError(
        "there is no way to log in by key alone", where=node, fix="name a key as ssh.key"
    )


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
class Scope:
    """Which nodes a command is about; `only` limits which are changed, None is all of them.

    A node that cannot be reached stops nobody else, but for one that is `required`; an `optional`
    one may be absent, and then that is no failure either.
    """

    only: frozenset[str] | None = None
    optional: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()

    @property
    def targets(self) -> frozenset[str] | None:
        """What may be changed: the nodes, and always the cluster as a whole; None is everything."""
        return None if self.only is None else self.only | {CLUSTER}

    def misses(self, node: str) -> bool:
        """Whether it is a failure that the node is away."""
        return node not in self.optional and (self.only is None or node in self.only)


EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True)
class Site:
    """What a command and its phases need of one cluster. Making one opens no connection.

    `command` is what the journal calls it; `file` is the cluster file, `began` the time when the
    command did, in UTC and fit for a name. `notices` are shown with the result, such as that a
    lab's K3s is a stand-in. `emit` is told what happens, `stop` is set when the user wants an end.
    `again` is what to run after a failure, where `command` does not say it; `file_option` is what
    names the file on a command line, empty where nothing has to.
    """

    cluster: Cluster
    file: Path
    here: Here
    user_kubeconfig: Path
    sessions: Sessions
    api: ClusterApi
    guard: QuorumGuard
    token: Token
    registry_users: Credentials | None
    registry_logins: Mapping[str, Credentials]
    """Who logs in to other registries and mirrors, by host."""
    registry_trust: Trust | None
    tools: Tools
    """What actions and live probes use."""
    began: str
    stop: threading.Event = field(default_factory=threading.Event)
    scope: Scope = EVERYWHERE
    consents: Consents = NOTHING_SPECIAL
    notices: tuple[str, ...] = ()
    command: str = ""
    again: str = ""
    file_option: str = ""
    emit: Emit = _keep_quiet

    def missing(self, unreached: Mapping[str, NodeError]) -> dict[str, NodeError]:
        """Return those of the unreached nodes that should have been worked on, and why not."""
        return {
            node.name: unreached[node.name]
            for node in self.cluster.nodes
            if node.name in unreached and self.scope.misses(node.name)
        }

    def abort(self) -> None:
        """Drop every connection at once: what waits on one fails, and the run ends."""
        self.sessions.abort()


def make_site(
    cluster: Cluster,
    sessions: Sessions,
    *,
    file: Path,
    here: Here,
    user_kubeconfig: Path,
    token: Secret | None = None,
    registry_password: Secret | None = None,
    mirror_passwords: Mapping[str, Secret] | None = None,
    by_key: Callable[[str], Session] = no_other_way,
) -> Site:
    """Put together what any command on the cluster needs; the rest is as for all of its nodes.

    `by_key` opens another connection to a node, by key and never by password.
    """
    k3s, registry = cluster.k3s, cluster.registry
    servers = tuple(Server(node.name, node.address) for node in cluster.servers)
    api = ClusterApi(servers, sessions, here.kubeconfig)
    guard = QuorumGuard(tuple(server.node for server in servers), api, sessions)
    artifacts = Artifacts(
        version=k3s.version,
        release_url=k3s.release_url,
        install_url=k3s.install_url,
        airgap_dir=k3s.airgap_dir,
        cache=here.cache / "k3s",
        install_sha256=k3s.install_sha256,
    )
    spreading = Spreading({node.name: cluster.inside(node) for node in cluster.nodes})
    tls = registry is not None and registry.tls
    return Site(
        cluster=cluster,
        file=file,
        here=here,
        user_kubeconfig=user_kubeconfig,
        sessions=sessions,
        api=api,
        guard=guard,
        token=choose_token(token, here.token),
        registry_logins=MappingProxyType(_logins(cluster, mirror_passwords or {})),
        registry_users=credentials(registry.username, registry_password) if registry else None,
        registry_trust=_trust(cluster.name, here.registry_authority) if tls else None,
        tools=Tools(sessions, api, guard, artifacts, KeyLogin(by_key), Brought(), spreading),
        began=time.strftime("%Y%m%dt%H%M%Sz", time.gmtime()),
    )


def _logins(cluster: Cluster, passwords: Mapping[str, Secret]) -> dict[str, Credentials]:
    """Return who logs in to other registries and mirrors than the cluster's own, by host."""
    found = {
        access.host: credentials(access.username, passwords.get(access.host), access.host)
        for access in cluster.k3s.registry_access
    }
    return {host: login for host, login in found.items() if login is not None}


def _trust(cluster: str, saved: Path) -> Trust:
    from picluster.steps.registry.signing import choose_authority  # noqa: PLC0415 - what few need

    return choose_authority(cluster, saved)
