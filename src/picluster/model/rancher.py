"""Rancher: a web interface for clusters, installed by K3s' own Helm controller."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from picluster.model.names import DnsSuffix
from picluster.model.network import Url
from picluster.model.releases import DEFAULTS, KNOWN
from picluster.model.scalars import NodePort, release_of, whole
from picluster.model.section import Section

DEFAULT_VERSION = DEFAULTS["rancher"]
DEFAULT_CERT_MANAGER = DEFAULTS["cert_manager"]

Version = Annotated[str, release_of("Rancher", DEFAULT_VERSION)]
CertManagerVersion = Annotated[str, release_of("cert-manager", DEFAULT_CERT_MANAGER)]


def newest_kubernetes(release: str) -> int | None:
    """Return the newest minor release of Kubernetes 1 that a release of Rancher installs on.

    None if the release is newer than what is known (`rancher.kubernetes` in releases.toml).
    """
    major, minor, _ = (int(part) for part in release.split("."))
    known = KNOWN.kubernetes_of_rancher
    oldest = min(known)
    if (major, minor) < oldest:
        return known[oldest][1] - 1
    found = known.get((major, minor))
    return found[1] if found else None


class Rancher(Section):
    """Rancher, with the cert-manager that it needs."""

    version: Version = DEFAULT_VERSION
    """Release of Rancher's chart."""
    hostname: DnsSuffix
    """Name that browsers reach it by; its certificate is made for it."""
    port: NodePort = 30443
    """NodePort of its web interface, on every node."""
    replicas: Annotated[int, Field(ge=1, le=5), BeforeValidator(whole)] | None = None
    """How many pods it has; 3, or as many as servers, if left out."""
    chart_url: Url = "https://releases.rancher.com/server-charts/stable"
    """Repository of its Helm chart."""
    release_url: Url = "https://github.com/rancher/rancher/releases/download"
    """Where `picluster images` downloads the list of its images from."""
    cert_manager_version: CertManagerVersion = DEFAULT_CERT_MANAGER
    """Release of cert-manager's chart."""
    cert_manager_url: Url = "https://charts.jetstack.io"
    """Repository of cert-manager's Helm chart."""
