"""Docker's proxy, in a file of picluster's own: what others wrote stays as it is."""

from __future__ import annotations

from picluster.engine.step import Run
from picluster.model import Cluster
from picluster.steps.files import OptionalFile
from picluster.steps.registry.docker import PROXY

DOCKER_FILE = "/etc/systemd/system/docker.service.d/picluster-proxy.conf"
_RELOAD = Run("systemctl daemon-reload")


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
