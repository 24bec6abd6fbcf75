"""What K3s should be like: version, networks, components, and options of its own."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from picluster.model.kubelet import EvictionThresholds, Resources
from picluster.model.linux import Interface
from picluster.model.mirrors import Mirror, RegistryAccess
from picluster.model.network import Address, IpAddress, Network, Url
from picluster.model.options import (
    ApiServerArgs,
    ControllerManagerArgs,
    KubeletArgs,
    Options,
    SchedulerArgs,
)
from picluster.model.paths import LocalPath
from picluster.model.refusal import refuse
from picluster.model.releases import DEFAULTS
from picluster.model.scalars import Digest, YesNo, matching, one_of, whole
from picluster.model.secret_ref import SecretReference
from picluster.model.section import Section
from picluster.model.vip import Vip

DEFAULT_VERSION = DEFAULTS["k3s"]
OLDEST_MINOR = 28
"""The oldest minor release of Kubernetes 1 that all built-in manifests are checked against."""
_NUMBER = "(0|[1-9][0-9]{0,3})"
_VERSION = re.compile(rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-rc[0-9]{{1,3}})?\+k3s[0-9]{{1,3}}")
_MODE = re.compile(r"(?:0o?)?([0-7]{3})")
_WRITABLE_BY_OTHERS = 0o022
_CRON_FIELD = r"[0-9*][0-9A-Za-z*/,-]{0,40}"


def _version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        likely = value.replace("-k3s", "+k3s")
        likely = likely if likely.startswith("v") else f"v{likely}"
        likely = likely if "+k3s" in likely else f"{likely}+k3s1"
        fix = likely if _VERSION.fullmatch(likely) else DEFAULT_VERSION
        raise refuse("is not a K3s version", f"write one exact release, such as {fix}")
    major, minor = (int(part) for part in value[1:].split(".")[:2])
    if (major, minor) < (1, OLDEST_MINOR):
        fix = f"choose v1.{OLDEST_MINOR} or newer, such as {DEFAULT_VERSION}"
        raise refuse("is older than what picluster knows", fix)
    return value


def _mode(value: str) -> str:
    match = _MODE.fullmatch(value)
    if match is None:
        raise refuse("is not a file mode", 'write three octal digits, such as "0600"')
    if int(match[1], 8) & _WRITABLE_BY_OTHERS:
        raise refuse("lets other users change the kubeconfig", 'write "0600" or "0640"')
    return f"0{match[1]}"


Version = Annotated[str, AfterValidator(_version)]
FileMode = Annotated[
    str,
    AfterValidator(_mode),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["0600"]}),
]
Component = Annotated[
    Literal["coredns", "local-storage", "metrics-server", "runtimes", "servicelb", "traefik"],
    one_of(
        ("coredns", "local-storage", "metrics-server", "runtimes", "servicelb", "traefik"),
        also={"klipper": "servicelb", "klipper-lb": "servicelb", "local-path": "local-storage"},
    ),
]
FlannelBackend = Annotated[
    Literal["vxlan", "host-gw", "wireguard-native", "none"],
    one_of(
        ("vxlan", "host-gw", "wireguard-native", "none"), also={"wireguard": "wireguard-native"}
    ),
]
Schedule = Annotated[
    str,
    matching(
        rf"@(hourly|daily|weekly|monthly)|{_CRON_FIELD}( {_CRON_FIELD}){{4}}",
        "is not a schedule",
        'write five cron fields, such as "0 */12 * * *", or @daily',
    ),
]


class Etcd(Section):
    """The cluster's database, on clusters of three or five servers."""

    snapshot_schedule: Schedule = "0 */12 * * *"
    """When snapshots are taken: minute, hour, day, month, weekday, in node time."""
    snapshot_retention: Annotated[int, Field(ge=1, le=1000), BeforeValidator(whole)] = 5
    """How many snapshots each server keeps."""
    expose_metrics: YesNo = False
    """Whether etcd's metrics can be read from other machines, on port 2381."""


class K3s(Section):
    """What K3s should be like on every node."""

    version: Version = Field(
        DEFAULT_VERSION, description=f"The exact K3s release, such as {DEFAULT_VERSION}."
    )
    token: SecretReference | None = None
    """Where the token is that nodes join with; K3s makes one if left out."""
    cluster_cidr: Network = "10.42.0.0/16"
    """Network that pods get their addresses from."""
    service_cidr: Network = "10.43.0.0/16"
    """Network that services get their addresses from."""
    cluster_dns: IpAddress | None = None
    """Address of the DNS service; the tenth of service_cidr if left out."""
    disable: tuple[Component, ...] = ("servicelb", "traefik")
    """Components of K3s that are not to be deployed."""
    flannel_backend: FlannelBackend = "vxlan"
    """How pods on different nodes reach each other."""
    flannel_iface: Interface | None = None
    """Network interface for traffic between pods; the one with the node's address if left out."""
    tls_san: tuple[Address, ...] = ()
    """More names and addresses by which the API server may be called."""
    vip: Vip | None = None
    """An address for the API that moves between servers; none if left out."""
    kubeconfig_mode: FileMode = "0600"
    """Mode of the administrator's kubeconfig on servers, in octal digits."""
    etcd: Etcd = Etcd()
    """The cluster's database: snapshots and metrics."""
    kube_apiserver_args: ApiServerArgs = Field({})
    """More arguments for the API server, as name: value without dashes."""
    kube_controller_manager_args: ControllerManagerArgs = Field({})
    """More arguments for the controller manager, as name: value without dashes."""
    kube_scheduler_args: SchedulerArgs = Field({})
    """More arguments for the scheduler, as name: value without dashes."""
    kubelet_args: KubeletArgs = Field({})
    """More arguments for the kubelet of every node, as name: value."""
    system_reserved: Resources = Field({})
    """What is kept from pods for the operating system: cpu: 200m, memory: 256Mi."""
    kube_reserved: Resources = Field({})
    """What is kept from pods for K3s itself: cpu: 200m, memory: 256Mi."""
    eviction_hard: EvictionThresholds = Field({})
    """Where pods are evicted at once: memory.available: 100Mi or 5%."""
    server_options: Options = Field({})
    """Any other K3s options for servers, as on K3s's command line, without dashes."""
    agent_options: Options = Field({})
    """Any other K3s options for agents, as on K3s's command line, without dashes."""
    airgap_dir: LocalPath | None = None
    """Directory on this computer with the K3s binary, install.sh and images; with it no node needs
    the internet.
    """
    mirrors: tuple[Mirror, ...] = ()
    """Registries whose images are fetched from somewhere else."""
    registry_access: tuple[RegistryAccess, ...] = ()
    """Logins and certificates of the hosts that images are fetched from."""
    embedded_registry: YesNo = False
    """Whether nodes get images from each other: of k3s.mirrors, or of every registry if there are
    none; they need TCP 5001 between them.
    """
    install_url: Url = "https://get.k3s.io"
    """Where K3s's install script is downloaded from."""
    install_sha256: Digest | None = None
    """What K3s's install script has to have as SHA-256; any if left out."""
    release_url: Url = "https://github.com/k3s-io/k3s/releases/download"
    """Where K3s's releases are downloaded from: a directory per version."""


class K3sOverride(Section):
    """What K3s should be like on this node, where it differs from the others."""

    inherits: ClassVar[str | None] = "k3s"

    node_ip: IpAddress | None = None
    """Address the node has inside the cluster: its address above if left out, or what K3s chooses
    where that is a name.
    """
    flannel_iface: Interface | None = None
    """As k3s.flannel_iface, for this node only."""
    options: Options = Field({})
    """K3s options for this node only; they win over server_options and agent_options."""
