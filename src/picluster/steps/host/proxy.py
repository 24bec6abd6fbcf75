"""The proxy of the nodes, in files of picluster's own: what others wrote stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from picluster.engine.step import Run, WriteFile
from picluster.model import Cluster
from picluster.model.names import is_dns_name
from picluster.model.network import as_ip
from picluster.steps.files import OptionalFile
from picluster.steps.k3s import paths
from picluster.steps.registry.docker import PROXY

APT = "apt-proxy"
APT_FILE = "/etc/apt/apt.conf.d/zz-picluster-proxy"
DOCKER_FILE = "/etc/systemd/system/docker.service.d/picluster-proxy.conf"
_RELOAD = Run("systemctl daemon-reload")


def apt_proxy(cluster: Cluster) -> OptionalFile:
    """Have apt go through the proxy. Its files are read by name, and the last one counts."""
    return OptionalFile(APT, APT_FILE, apt_text(cluster.proxy_environment))


def apt_text(environment: Mapping[str, str]) -> str:
    """Return apt's configuration (apt-transport-http(1)); empty without a proxy."""
    lines = []
    for scheme in ("http", "https"):
        url = environment.get(f"{scheme.upper()}_PROXY")
        if url is not None:
            direct = filter(_is_host, environment["NO_PROXY"].split(","))
            lines.append(f'Acquire::{scheme}::Proxy "{url}";')
            lines += [f'Acquire::{scheme}::Proxy::{host} "DIRECT";' for host in direct]
    return "".join(f"{line}\n" for line in lines)


def _is_host(text: str) -> bool:
    """Whether apt can take it: it knows hosts, and no networks or domains."""
    return is_dns_name(text) or (as_ip(text) is not None and ":" not in text)


def k3s_proxy(cluster: Cluster, role: str, recorder: WriteFile) -> Sequence[OptionalFile]:
    """Have K3s and its containerd go through the proxy.

    systemd reads the file of a later drop-in last, so it wins over /etc/default/k3s and what K3s's
    install script keeps. `recorder` notes at each start what was read, this file with it.
    """
    environment = cluster.proxy_environment
    unit = f"[Service]\nEnvironmentFile=-{paths.PROXY}\n" if environment else ""
    text = "".join(f'{name}="{value}"\n' for name, value in environment.items())
    return (
        OptionalFile("k3s-proxy", paths.PROXY, text, (recorder,)),
        OptionalFile("k3s-proxy-unit", paths.proxy_drop_in(role), unit, (_RELOAD,)),
    )


def docker_proxy(cluster: Cluster) -> OptionalFile:
    """Have Docker's daemon go through the proxy: in daemon.json, Docker 20.10 knows none."""
    lines = [
        f'Environment="{name}={value.replace("%", "%%")}"'
        for name, value in cluster.proxy_environment.items()
    ]
    text = "\n".join(["[Service]", *lines, ""]) if lines else ""
    return OptionalFile(PROXY, DOCKER_FILE, text, (_RELOAD,))


def proxies(cluster: Cluster) -> tuple[str, ...]:
    """Return what Docker has to have: for HTTP, for HTTPS, and what is reached directly."""
    environment = cluster.proxy_environment
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return tuple(environment.get(name, "") for name in names) if environment else ()
