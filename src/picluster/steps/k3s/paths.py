"""Where K3s and picluster keep things on a node."""

from __future__ import annotations

BINARY = "/usr/local/bin/k3s"
CONFIG_DIR = "/etc/rancher/k3s"
CONFIG = f"{CONFIG_DIR}/config.yaml"
REGISTRIES = f"{CONFIG_DIR}/registries.yaml"
REGISTRY_CA = f"{CONFIG_DIR}/registry-ca.crt"
PROXY = f"{CONFIG_DIR}/picluster-proxy.env"
"""What K3s has in its environment besides; there is none without a proxy."""
TOKEN = f"{CONFIG_DIR}/cluster-token"
KUBECONFIG = f"{CONFIG_DIR}/k3s.yaml"
NODE_PASSWORD = "/etc/rancher/node/password"  # noqa: S105 - where it is, not what
DATA_DIR = "/var/lib/rancher/k3s"
SERVER_DIR = f"{DATA_DIR}/server"
VIP_MANIFEST = f"{SERVER_DIR}/manifests/picluster-kube-vip.yaml"
IMAGES_DIR = f"{DATA_DIR}/agent/images"
STAGING_DIR = "/var/lib/picluster/k3s"
LOADED_DIR = "/run/picluster"

API_PORT = 6443


def unit(role: str) -> str:
    """Return the systemd unit that the install script makes for a `server` or an `agent`."""
    return "k3s" if role == "server" else "k3s-agent"


READ_AT_START = (
    f"{{ stat -c '%s %Y' {BINARY}; cat {CONFIG} {CONFIG}.d/*.yaml {REGISTRIES} {TOKEN} {PROXY}; }} "
    "2>/dev/null | sha256sum"
)
"""Shell that prints a digest of everything K3s reads at start, and a blank after it.

The unit records it when K3s starts; as long as it is the same now, the running process is up to
date. No clock is compared: a Pi without a battery wakes up in the past. The binary counts by size
and time only, because reading 70 MB takes a second on a Pi.
"""

FINGERPRINT = f"{READ_AT_START} | cut -d' ' -f1"
"""Shell that prints the digest alone, as the unit records it."""

RECORDER = "/usr/local/lib/picluster/record-k3s-start"
"""Script on the node that notes the fingerprint; the unit calls it before it starts K3s."""


def drop_in(role: str) -> str:
    """Return the systemd drop-in that makes the unit call the recorder."""
    return f"/etc/systemd/system/{unit(role)}.service.d/10-picluster.conf"


def proxy_drop_in(role: str) -> str:
    """Return the systemd drop-in that makes the unit read the file with the proxy."""
    return f"/etc/systemd/system/{unit(role)}.service.d/20-picluster-proxy.conf"
