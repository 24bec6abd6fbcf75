"""The registry phase: the cluster has a registry of its own, and every node can pull from it."""

from __future__ import annotations

from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.model import Cluster, Node, Registry
from picluster.phases.k3s import trusted_authority
from picluster.site import Site
from picluster.steps.host.packages import Packages
from picluster.steps.k3s.paths import REGISTRY_CA
from picluster.steps.registry.api import RegistryEndpoint
from picluster.steps.registry.certificates import ServerCertificate, TrustedAuthority
from picluster.steps.registry.container import Definition, RegistryContainer
from picluster.steps.registry.credentials import Users
from picluster.steps.registry.docker import DaemonConfig, DockerClient, DockerEngine, DockerRunning
from picluster.steps.registry.exposure import Exposure
from picluster.steps.registry.image import RegistryImage, find_archive
from picluster.steps.registry.probe_image import ProbeImage, probe_image
from picluster.steps.registry.proxy import docker_proxy, proxies
from picluster.steps.registry.pull import ImagePushed, Pulled, PullSource, tag_for
from picluster.steps.registry.removal import certificate_directories

_NAME = "registry"


def registry(site: Site) -> Phase:
    """Build the phase; for a cluster without a registry there is nothing in it."""
    wanted = site.cluster.registry
    if wanted is None:
        return Phase(_NAME, "the cluster has no registry of its own", ())
    home = site.cluster.node(wanted.node)
    return Phase(
        _NAME,
        f"every node can pull from the registry on {home.name}",
        (
            Stage(
                "the registry runs in Docker",
                {home.name: _service(site, wanted, home)},
                needs=(home.name,),
            ),
            Stage(
                "every node can pull from it",
                {node.name: _use(site, wanted, node) for node in site.cluster.nodes},
                barrier=False,
                needs=(home.name,),
            ),
        ),
    )


def _service(site: Site, wanted: Registry, home: Node) -> list[Step]:
    cluster = site.cluster
    airgap = cluster.k3s.airgap_dir
    image = _image(cluster, wanted)
    return [
        _curl(cluster, home),
        *docker(site, home),
        ServerCertificate(server_names(cluster, home), site.registry_trust),
        Users(site.registry_users),
        RegistryImage(
            wanted.image, airgap, find_archive(airgap, wanted.image), cluster.limits.command
        ),
        RegistryContainer(Definition.of(wanted)),
        ImagePushed(image, endpoint(site)),
        Exposure(tls=wanted.tls, users=site.registry_users is not None),
    ]


def docker(site: Site, node: Node) -> list[Step]:
    """Return the steps after which Docker runs on a node and can speak to the registry."""
    cluster = site.cluster
    age = cluster.prepare_for(node).apt_cache_max_age
    names = list(cluster.registry_endpoints)
    insecure = [] if site.registry_trust is not None else names
    return [
        DockerEngine(age),
        DockerClient(age),
        DaemonConfig(insecure),
        docker_proxy(cluster),
        DockerRunning(insecure, proxies(cluster)),
        *_dockers_trust(site, names),
    ]


def _use(site: Site, wanted: Registry, node: Node) -> list[Step]:
    cluster = site.cluster
    image = _image(cluster, wanted)
    first, url = next(iter(cluster.registry_endpoints.items()))
    authority = REGISTRY_CA if wanted.tls else ""
    source = PullSource(url, f"{first}/{image.name}", authority, site.registry_users)
    # The registry's own node has had it already: its service cannot be looked at without.
    tools = [] if node.name == wanted.node else [_curl(cluster, node)]
    return [*tools, *trusted_authority(site), Pulled(image, source)]


def endpoint(site: Site) -> RegistryEndpoint:
    """Return how the registry is spoken to from here; the cluster has to have one."""
    wanted = site.cluster.registry
    if wanted is None:
        raise ValueError("the cluster has no registry")
    authority = site.registry_trust.authority.certificate if site.registry_trust else ""
    return RegistryEndpoint(wanted.node, wanted.port, authority, site.registry_users)


def server_names(cluster: Cluster, home: Node) -> list[str]:
    """Return the names and addresses that the registry's certificate is for."""
    own = [home.name, cluster.fqdn(home), cluster.inside(home), "localhost", "127.0.0.1"]
    return list(dict.fromkeys(own))


def _curl(cluster: Cluster, node: Node) -> Step:
    age = cluster.prepare_for(node).apt_cache_max_age
    return Packages(("curl",), age, name="registry-tools")


def _dockers_trust(site: Site, names: list[str]) -> list[Step]:
    """Return the steps that have Docker on the registry's node trust it, by each of its names."""
    if site.registry_trust is None:
        return []
    return [
        TrustedAuthority(site.registry_trust, f"{directory}/ca.crt", f"docker-authority-{name}")
        for name, directory in zip(names, certificate_directories(names), strict=True)
    ]


def _image(cluster: Cluster, wanted: Registry) -> ProbeImage:
    """Return the image to try pulls with: another one whenever the way to the registry changes."""
    ways = sorted(cluster.registry_endpoints.items())
    return probe_image(tag_for([ways, wanted.username or ""]))
