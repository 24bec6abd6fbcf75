"""Rancher and cert-manager, as charts for K3s' own Helm controller. Pure."""

from __future__ import annotations

import base64
import json
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from picluster.engine.place import Tools
from picluster.kube.template import template
from picluster.kube.workload import Workload
from picluster.model.rancher import Rancher
from picluster.secret import Secret
from picluster.steps.manifests.secrets import Wanted
from picluster.steps.saved_images import AirGap

Object = dict[str, Any]

PART = "rancher"
NAMESPACE, _CERT_MANAGER, _CHARTS = "cattle-system", "cert-manager", "kube-system"
SECRET, PASSWORD = "bootstrap-secret", "bootstrapPassword"

HELM_LABELS = (("app.kubernetes.io/managed-by", "Helm"),)
HELM_ANNOTATIONS = (
    ("meta.helm.sh/release-name", "rancher"),
    ("meta.helm.sh/release-namespace", NAMESPACE),
)
"""Without these, Helm refuses to adopt a Secret that its chart has as well; with them, the chart
keeps the password that it finds: chart/templates/secret.yaml in github.com/rancher/rancher."""

WORKLOADS = (
    Workload("HelmChart", _CHARTS, "cert-manager"),
    Workload("Deployment", _CERT_MANAGER, "cert-manager"),
    Workload("Deployment", _CERT_MANAGER, "cert-manager-cainjector"),
    Workload("Deployment", _CERT_MANAGER, "cert-manager-webhook"),
    Workload("HelmChart", _CHARTS, "rancher"),
    Workload("Deployment", NAMESPACE, "rancher"),
)


@dataclass(frozen=True, slots=True)
class FirstPassword:
    """The password for the first login."""

    def make(self, present: Mapping[str, str]) -> dict[str, Secret]:
        """Make it."""
        return {PASSWORD: Secret(random.token_urlsafe(18))}


PASSWORD_WANTED = Wanted(
    SECRET, NAMESPACE, PART, (PASSWORD,), FirstPassword(), HELM_LABELS, HELM_ANNOTATIONS
)


@dataclass(frozen=True, slots=True)
class ChartFile:
    """A chart: its archive's name in an air-gap directory, and where it is from."""

    chart: str
    version: str
    repository: str

    @property
    def file(self) -> str:
        """What its archive is called."""
        return f"{self.chart}-{self.version}.tgz"


def chart_files(rancher: Rancher) -> tuple[ChartFile, ChartFile]:
    """Return the charts of cert-manager and Rancher."""
    return (
        ChartFile("cert-manager", rancher.cert_manager_version, rancher.cert_manager_url),
        ChartFile("rancher", rancher.version, rancher.chart_url),
    )


@dataclass(frozen=True, slots=True)
class Charts:
    """The source of the charts; `saved` is an air-gap directory that has them, if there is one."""

    rancher: Rancher
    replicas: int
    saved: AirGap | None = None

    def __call__(self, tools: Tools) -> list[Object]:
        """Return them. Raises `StepFailed` for an archive that is not the one that was saved."""
        contents = {
            each.chart: archive
            for each in chart_files(self.rancher)
            if self.saved and (archive := self.saved.content(each.file)) is not None
        }
        return objects(self.rancher, self.replicas, contents)


def objects(
    rancher: Rancher, replicas: int, contents: Mapping[str, bytes] = MappingProxyType({})
) -> list[Object]:
    """Return the charts, and the Service with the NodePort. The password is in none of them.

    `contents` are the archives of charts, by name, that are sent along instead of fetched.
    """
    found = template(__package__, "rancher")
    _, certificates, itself, door = found
    values = ({"crds": {"enabled": True}}, _values(rancher, replicas))
    for chart, file, wanted in zip(
        (certificates, itself), chart_files(rancher), values, strict=True
    ):
        chart["spec"] |= _origin(file, contents.get(file.chart))
        chart["spec"]["valuesContent"] = json.dumps(wanted, indent=2, sort_keys=True)
    door["spec"]["ports"][0]["nodePort"] = rancher.port
    return found


def _values(rancher: Rancher, replicas: int) -> Object:
    tls = {"source": "rancher"}
    return {"hostname": rancher.hostname, "replicas": replicas, "ingress": {"tls": tls}}


def _origin(chart: ChartFile, content: bytes | None) -> Object:
    """Say where a chart comes from; its content counts instead: https://docs.k3s.io/add-ons/helm."""
    if content is not None:
        return {"chartContent": base64.b64encode(content).decode()}
    return {"repo": chart.repository, "chart": chart.chart, "version": chart.version}
