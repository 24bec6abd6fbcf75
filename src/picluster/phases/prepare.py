"""The prepare phase: every node's operating system is fit for K3s and Longhorn."""

from __future__ import annotations

from picluster.engine.phase import Guard, Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import Look, Survey
from picluster.facts.boot import BOOT
from picluster.model import Cluster, Node, Prepare
from picluster.model.network import as_ip
from picluster.steps.files import ManagedFile
from picluster.steps.host import boot, kernel
from picluster.steps.host.drop_ins import MULTIPATH_LEAVES_LONGHORN_ALONE, cloud_init_leaves_names
from picluster.steps.host.hosts import HOSTS_TEMPLATE, TEMPLATE_PATH, HostsFile
from picluster.steps.host.limits import INOTIFY, LimitsRaised
from picluster.steps.host.naming import Hostname, SystemLocale, Timezone, is_built_in
from picluster.steps.host.packages import K3S_NEEDS, STAND_INS, Packages
from picluster.steps.host.proxy import apt_proxy
from picluster.steps.host.services import TIMESYNCD, IscsiDaemon, TimeSync
from picluster.steps.host.swap import SwapOff


def prepare(cluster: Cluster, guard: Guard | None = None) -> Phase:
    """Build the phase. `guard` is asked before a node that runs a cluster is rebooted."""
    return Phase(
        "prepare",
        "every node's operating system is ready for K3s",
        (
            Stage(
                "packages, names, swap, kernel and services",
                {node.name: _system(cluster, node) for node in cluster.nodes},
                independent=True,
            ),
            Stage(
                "the memory cgroup is on",
                {node.name: [boot.MemoryCgroup(cluster.limits.reboot)] for node in cluster.nodes},
                width=_together_unless_a_cluster_runs,
                guard=_servers_only(cluster, guard),
                independent=True,
            ),
        ),
    )


def _system(cluster: Cluster, node: Node) -> list[Step]:
    prepare = cluster.prepare_for(node)
    sysctls = {**kernel.K3S_SYSCTLS, **prepare.sysctls}
    required = (*_k3s_modules(cluster), *prepare.extra_modules)
    modules = (*required, *kernel.LONGHORN_MODULES)
    return [
        apt_proxy(cluster),
        Packages(_packages(prepare), prepare.apt_cache_max_age),
        *_naming(cluster, node, prepare),
        *([SwapOff()] if prepare.swap == "disable" else []),
        ManagedFile("modules-file", kernel.MODULES_FILE, kernel.modules_text(modules)),
        kernel.ModulesLoaded(required, kernel.LONGHORN_MODULES),
        ManagedFile("sysctl-file", kernel.SYSCTL_FILE, kernel.sysctl_text(sysctls)),
        kernel.SysctlsInForce(sysctls),
        LimitsRaised({key: floor for key, floor in INOTIFY.items() if key not in prepare.sysctls}),
        IscsiDaemon(),
        MULTIPATH_LEAVES_LONGHORN_ALONE,
        *([TimeSync(_time_daemon(prepare))] if prepare.time_sync else []),
    ]


def _packages(prepare: Prepare) -> list[str]:
    """Return all packages to have, with those that the user's other wishes need."""
    time_daemon = [_time_daemon(prepare)] if prepare.time_sync else []
    zones = ["tzdata"] if prepare.timezone else []
    locales = ["locales"] if prepare.locale and not is_built_in(prepare.locale) else []
    return list(dict.fromkeys([*prepare.packages, *K3S_NEEDS, *time_daemon, *zones, *locales]))


def _time_daemon(prepare: Prepare) -> str:
    """Return the time daemon that the user asks for; there can only be one on a system."""
    wanted = [name for name in STAND_INS[TIMESYNCD] if name in prepare.packages]
    return wanted[0] if wanted else TIMESYNCD


def _naming(cluster: Cluster, node: Node, prepare: Prepare) -> list[Step]:
    entries = _host_entries(cluster)
    own = _names(cluster, node) if prepare.set_hostname else ""
    template = HostsFile(cluster.name, entries, own, TEMPLATE_PATH, True, HOSTS_TEMPLATE)
    return [
        cloud_init_leaves_names(keep_hostname=prepare.set_hostname),
        template,
        HostsFile(cluster.name, entries, own),
        *([Hostname(node.name)] if prepare.set_hostname else []),
        *([Timezone(prepare.timezone)] if prepare.timezone else []),
        *([SystemLocale(prepare.locale)] if prepare.locale else []),
    ]


def _host_entries(cluster: Cluster) -> list[tuple[str, str]]:
    """Name every node whose IP address is known; one reached by name only is found by that name."""
    found = [(_ip_of(cluster, node), _names(cluster, node)) for node in cluster.nodes]
    return [(ip, names) for ip, names in found if ip is not None]


def _ip_of(cluster: Cluster, node: Node) -> str | None:
    """Return the address that nodes of the cluster reach the node at, if the file gives an IP."""
    for text in (cluster.k3s_for(node).node_ip, node.address):
        if as_ip(text) is not None:
            return text
    return None


def _names(cluster: Cluster, node: Node) -> str:
    """Name a node by its full name first, as hosts(5) wants the canonical one."""
    return " ".join(dict.fromkeys([cluster.fqdn(node), node.name]))


def _k3s_modules(cluster: Cluster) -> tuple[str, ...]:
    backend = cluster.k3s.flannel_backend
    return (*kernel.K3S_MODULES, *kernel.FLANNEL_MODULES.get(backend, ()))


def _together_unless_a_cluster_runs(survey: Survey) -> int | None:
    """Reboot bare nodes together, but nodes of a cluster one after the other."""
    return 1 if any(each.in_cluster for each in Look("", "", survey).every(BOOT).values()) else None


def _servers_only(cluster: Cluster, guard: Guard | None) -> Guard | None:
    """Ask the guard for servers alone: an agent's reboot costs no vote."""
    servers = {node.name for node in cluster.servers}

    def ask(target: str) -> None:
        if guard is not None and target in servers:
            guard(target)

    return ask
