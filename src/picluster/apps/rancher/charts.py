"""Rancher and cert-manager, as charts for K3s' own Helm controller. Pure."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picluster.engine.place import Tools
from picluster.kube.workload import Workload
from picluster.model.rancher import Rancher
from picluster.secret import Secret
from picluster.steps.manifests.secrets import Wanted

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
class Charts:
    """The source of the charts."""

    rancher: Rancher
    replicas: int

    def __call__(self, tools: Tools) -> list[Object]:
        """Return them."""
        return objects(self.rancher, self.replicas)


def objects(rancher: Rancher, replicas: int) -> list[Object]:
    """Return the charts, and the Service with the NodePort. The password is in none of them."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _chart(
            "cert-manager",
            rancher.cert_manager_url,
            rancher.cert_manager_version,
            _CERT_MANAGER,
            {"crds": {"enabled": True}},
        ),
        _chart(
            "rancher",
            rancher.chart_url,
            rancher.version,
            NAMESPACE,
            {
                "hostname": rancher.hostname,
                "replicas": replicas,
                "ingress": {"tls": {"source": "rancher"}},
            },
        ),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "rancher-nodeport", "namespace": NAMESPACE},
            "spec": {
                "type": "NodePort",
                "selector": {"app": "rancher"},
                "ports": [
                    {
                        "name": "https",
                        "port": 443,
                        "targetPort": 443,
                        "nodePort": rancher.port,
                        "protocol": "TCP",
                    }
                ],
            },
        },
    ]


def _chart(name: str, repo: str, version: str, namespace: str, values: Object) -> Object:
    return {
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChart",
        "metadata": {"name": name, "namespace": _CHARTS},
        "spec": {
            "repo": repo,
            "chart": name,
            "version": version,
            "targetNamespace": namespace,
            "createNamespace": True,
            "valuesContent": json.dumps(values, indent=2, sort_keys=True),
        },
    }
