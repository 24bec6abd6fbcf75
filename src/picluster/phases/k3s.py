"""The k3s phase: every node runs K3s of one version, in one cluster, and is Ready in it."""

from __future__ import annotations

from contextlib import suppress

from picluster.engine.phase import Condition, Phase, Stage, Width, one_at_a_time
from picluster.engine.recollection import Recollection
from picluster.engine.step import Fact, Step
from picluster.engine.survey import CLUSTER, Look, Survey
from picluster.errors import Unreadable
from picluster.facts.interfaces import INTERFACES
from picluster.model import Cluster, Node
from picluster.site import Site
from picluster.steps.download import exposed, plain_http
from picluster.steps.image_reference import read_reference
from picluster.steps.k3s import paths
from picluster.steps.k3s.artifacts import Artifacts
from picluster.steps.k3s.back_again import BackAgain, RunningBeforeUpgrade
from picluster.steps.k3s.config import ConfigFile, TokenFile, api_url, public_url
from picluster.steps.k3s.images import ImagesThere
from picluster.steps.k3s.install import RECORDER, Installed, InstalledBeforehand, Staged
from picluster.steps.k3s.kubeconfig import SavedKubeconfig, UserKubeconfig
from picluster.steps.k3s.leftovers import Cleared, own_network
from picluster.steps.k3s.maintenance import Drained, Uncordoned
from picluster.steps.k3s.nodes import NodeMarks, Strangers, nodes_fact
from picluster.steps.k3s.proxy import k3s_proxy
from picluster.steps.k3s.registries import authorities, registries_file
from picluster.steps.k3s.seen import ServersSeen
from picluster.steps.k3s.service import Arrival, KnownMachine, MemberStarted, Ready, Running
from picluster.steps.k3s.snapshots import (
    Copying,
    Saved,
    SavedBeforeUpgrade,
    here_fact,
    snapshot_directory,
)
from picluster.steps.k3s.state import STATE, credentials_fact, state_fact
from picluster.steps.k3s.vip import VipManifest
from picluster.steps.registry.certificates import TrustedAuthority
from picluster.steps.saved_images import read_saved
from picluster.steps.storage.stored_data import StoredBeforeUpgrade, stored_data_known


def k3s(site: Site) -> Phase:
    """Build the phase for a cluster; nothing is looked at yet."""
    cluster = site.cluster
    servers = [node.name for node in cluster.servers]
    running = RunningBeforeUpgrade(cluster.k3s.version)
    return Phase(
        "k3s",
        f"K3s {cluster.k3s.version} runs on every node, in one cluster",
        (
            Stage(
                "enough servers are there", {CLUSTER: [ServersSeen(servers, cluster.k3s.version)]}
            ),
            Stage(
                "K3s is on every node",
                {node.name: _staging(site, node) for node in cluster.nodes},
                independent=True,
            ),
            Stage(
                "the data is saved before an upgrade",
                {
                    CLUSTER: [
                        here_fact(site.here.snapshots),
                        stored_data_known(StoredBeforeUpgrade(cluster.k3s.version)),
                        Fact(running.name, "it is known what runs before an upgrade", running),
                        _saved_before_upgrade(site),
                    ]
                },
            ),
            Stage(
                "servers form one cluster",
                {node.name: _service(site, node) for node in cluster.servers},
                width=_servers_at_once(site),
                guard=site.guard.before_disruption,
                independent=True,
                leader=servers[0],
            ),
            Stage(
                "agents are in the cluster",
                {node.name: _service(site, node) for node in cluster.agents},
                width=_agents_at_once(site),
                barrier=False,
                along=_begins(site),
            ),
            Stage("the cluster can be reached", {CLUSTER: _cluster(site, servers)}),
            Stage(
                "nodes are labelled",
                {node.name: [NodeMarks(node)] for node in cluster.nodes},
                barrier=False,
            ),
        ),
    )


def fetch_ahead(site: Site, seen: Recollection) -> None:
    """Have K3s on its way to this computer, for the bare nodes that were seen.

    They are prepared meanwhile, and rebooted, which takes longer than most downloads.
    """
    for arch in lacking(site.cluster, seen):
        site.tools.get(Artifacts).fetch_ahead(arch)


def lacking(cluster: Cluster, seen: Recollection) -> list[str]:
    """Return the architectures of the nodes that were seen without K3s. Pure."""
    found = set()
    for node in cluster.nodes:
        said = seen.recall(node.name).get(STATE.text)
        with suppress(Unreadable):  # which is told when the phase looks at it
            state = STATE.parse(said) if said is not None else None
            if state and not state.version and state.staged != cluster.k3s.version:
                found.add(state.arch)
    return sorted(found)


def facts(node: Node) -> list[Step]:
    """Return what looks at K3s on a node."""
    return [state_fact(), *([credentials_fact()] if node.is_server else [])]


def staged(site: Site, node: Node) -> Step:
    """Return the step after which the K3s of the file lies on a node."""
    k3s = site.cluster.k3s
    asked = {
        "k3s.release_url": exposed(k3s.release_url),
        "k3s.install_url": exposed(k3s.install_url) and k3s.install_sha256 is None,
    }
    plain = [name for name, open_to_all in asked.items() if open_to_all and not k3s.airgap_dir]
    warning = plain_http(", ".join(plain)) if plain else ""
    directory = k3s.airgap_dir
    if directory is None:
        return Staged(k3s.version, warning)
    if k3s.version != site.tools.get(Artifacts).version:
        directory /= k3s.version  # a stop on the way of an upgrade
    files = {path.name for path in directory.iterdir()} if directory.is_dir() else ()
    return Staged(k3s.version, warning, directory, frozenset(files))


def _staging(site: Site, node: Node) -> list[Step]:
    steps = [
        *facts(node),
        Cleared(own_network(site.cluster)),
        KnownMachine(node.name),
        staged(site, node),
        InstalledBeforehand(installed(site, node)),
        *image_steps(site.cluster, node),
    ]
    if node.is_server:
        steps.append(MemberStarted(paths.unit(node.role)))
    return steps


def configured(site: Site, node: Node) -> list[Step]:
    """Return the steps after which everything is on a node that K3s reads at start."""
    cluster = site.cluster
    return [
        TokenFile(
            site.token.secret,
            site.token.pinned,
            [server.name for server in cluster.servers],
            site.token.remember,
        ),
        Fact(INTERFACES.name, "the node's interfaces are known", INTERFACES),
        ConfigFile(cluster, node),
        *k3s_proxy(cluster, node.role, RECORDER),
        *trusted_authority(site),
        *authorities(cluster),
        registries_file(cluster, site.registry_users, site.registry_logins),
    ]


def installed(site: Site, node: Node) -> Installed:
    """Return the step after which the K3s of the file is a service of a node."""
    cluster = site.cluster
    before = [] if node.is_server else [server.name for server in cluster.servers]
    return Installed(node.role, cluster.k3s.version, cluster.limits.command, before)


def _service(site: Site, node: Node) -> list[Step]:
    cluster = site.cluster
    arrived = arrival(site, node)
    return [
        *configured(site, node),
        *([VipManifest(cluster.k3s.vip)] if node.is_server else []),
        Drained(
            node.name,
            cluster.k3s.version,
            alone=len(cluster.nodes) == 1,
            timeout=cluster.limits.drain,
        ),
        installed(site, node),
        Running(arrived),
        Ready(arrived),
        Uncordoned(node.name),
        BackAgain(node.name, RunningBeforeUpgrade(cluster.k3s.version), cluster.limits.rollout),
    ]


def image_steps(cluster: Cluster, node: Node) -> list[Step]:
    """Return the step after which a node has what it cannot pull; kube-vip is for servers alone."""
    saved, vip = read_saved(cluster.k3s.airgap_dir), cluster.k3s.vip
    if saved is None:
        return []
    servers_only = [read_reference(vip.image).file] if vip and not node.is_server else []
    return [ImagesThere(saved, frozenset(servers_only))]


def copying(site: Site) -> Copying:
    """Return how a cluster's snapshots come to this computer."""
    directories = {
        server.name: snapshot_directory(site.cluster, server) for server in site.cluster.servers
    }
    return Copying(site.cluster.name, site.here.snapshots, site.file, directories)


def _saved_before_upgrade(site: Site) -> Step:
    version = site.cluster.k3s.version
    label = f"before-{version.replace('+', '-')}-{site.began}".lower()
    saved = Saved(label, copying(site), f"K3s becomes {version}")
    return SavedBeforeUpgrade(version, saved)


def arrival(site: Site, node: Node) -> Arrival:
    """Return what a node of the cluster is waited for with."""
    return Arrival(
        node=node.name,
        unit=paths.unit(node.role),
        version=site.cluster.k3s.version,
        votes=node.is_server and site.cluster.is_ha,
        timeout=site.cluster.limits.node_ready,
        flannel=site.cluster.k3s.flannel_backend != "none",
    )


def trusted_authority(site: Site) -> list[Step]:
    """Return the step that has a node trust the registry's authority, where there is one."""
    if site.registry_trust is None:
        return []
    return [TrustedAuthority(site.registry_trust, paths.REGISTRY_CA, "registry-authority")]


_JOINING = 2
"""How many servers join a new cluster at once.

etcd takes one learner at a time, and K3s tries again until it is its turn (k3s-io/k3s
pkg/etcd/etcd.go, `Start`); meanwhile the next one starts containerd and takes in its images.
"""


def _begins(site: Site) -> Condition:
    """Whether no cluster is there yet: then nobody is disrupted by how many join at once."""

    def begins(survey: Survey) -> bool:
        look = Look(CLUSTER, "", survey)
        states = [look.find(STATE, node.name) for node in site.cluster.nodes]
        return all(state is not None and not state.used for state in states)

    return begins


def _servers_at_once(site: Site) -> Width:
    """Restart servers and add them to a cluster one after the other; a new one is not at risk."""
    begins = _begins(site)
    return lambda survey: _JOINING if begins(survey) else one_at_a_time(survey)


def _agents_at_once(site: Site) -> Width:
    """Join agents together, but restart running ones only a few at a time."""

    def width(survey: Survey) -> int | None:
        look = Look(CLUSTER, "", survey)
        running = any(
            (state := look.find(STATE, agent.name)) is not None and state.active
            for agent in site.cluster.agents
        )
        return site.cluster.limits.max_unavailable if running else None

    return width


def _cluster(site: Site, servers: list[str]) -> list[Step]:
    url = api_url(site.cluster, servers[0])
    saved = SavedKubeconfig(site.cluster.name, url, tuple(servers), site.api.saved)
    return [
        nodes_fact(),
        saved,
        UserKubeconfig(saved, public_url(site.cluster), site.user_kubeconfig),
        Strangers(tuple(node.name for node in site.cluster.nodes)),
    ]
