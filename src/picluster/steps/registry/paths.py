"""Where the registry keeps things on nodes, and what it is called."""

from __future__ import annotations

CONTAINER = "picluster-registry"
COLLECTOR = "picluster-registry-gc"
"""Serves reads, and refuses pushes, while unused data is removed."""
CONTAINER_PORT = 5000

SECRETS_DIR = "/etc/picluster/registry"
"""The directory that the container sees: whole, because a file mounted alone never changes."""
SERVER_PEM = f"{SECRETS_DIR}/server.pem"
HTPASSWD = f"{SECRETS_DIR}/htpasswd"

STATE_DIR = "/var/lib/picluster/registry"
PACKAGES_MARK = f"{STATE_DIR}/docker-packages"
"""Lists the packages that came with Docker, if picluster installed it; for `reset`."""
INSECURE_MARK = f"{STATE_DIR}/insecure-registries"
"""Lists what picluster added to daemon.json, one a line; the rest there is its owner's."""
ARCHIVE = f"{STATE_DIR}/image.tar"

WORKSHOP = "/var/lib/picluster/build"
"""Where images are built, on the node that has Docker."""

DAEMON_JSON = "/etc/docker/daemon.json"
CERTS_D = "/etc/docker/certs.d"
