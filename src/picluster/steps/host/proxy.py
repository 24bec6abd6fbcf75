"""apt's proxy, in a file of picluster's own: what others wrote stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

from picluster.model import Cluster
from picluster.model.names import is_dns_name
from picluster.model.network import as_ip
from picluster.steps.files import OptionalFile

APT = "apt-proxy"
APT_FILE = "/etc/apt/apt.conf.d/zz-picluster-proxy"


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
