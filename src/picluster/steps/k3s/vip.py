"""The API's own address: kube-vip on the servers, deployed by K3s from its manifests directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from picluster.engine.place import Place
from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Diff, Run, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.files import FileState, whole_file
from picluster.kube.objects import delete
from picluster.kube.reach import api_of
from picluster.model import Vip
from picluster.steps.k3s import paths

_NAME = "kube-vip"
_NAMESPACE = "kube-system"
_HEADER = "# Written by picluster from the cluster file; changes made here are undone.\n"
_RBAC = "rbac.authorization.k8s.io"
_PRIVATE = 0o600


MANIFEST = whole_file("k3s-vip", paths.VIP_MANIFEST)


@dataclass(frozen=True, slots=True)
class DeleteKubeVip:
    """Delete what K3s deployed from the manifest."""

    title: str = "deleting kube-vip"

    def perform(self, place: Place) -> None:
        """Do it. Raises `ApiUnavailable`."""
        for path in (
            f"/apis/apps/v1/namespaces/{_NAMESPACE}/daemonsets/{_NAME}",
            f"/apis/{_RBAC}/v1/clusterrolebindings/{_NAME}",
            f"/apis/{_RBAC}/v1/clusterroles/{_NAME}",
            f"/api/v1/namespaces/{_NAMESPACE}/serviceaccounts/{_NAME}",
        ):
            delete(api_of(place.tools), path)


@dataclass(frozen=True, slots=True)
class VipManifest:
    """The manifest of kube-vip lies where K3s deploys it from, or is gone if there is no VIP.

    K3s does not undo what it deployed from a manifest that goes away
    (https://docs.k3s.io/installation/packaged-components), so the objects are deleted too.
    """

    vip: Vip | None
    name: str = "k3s-vip"

    @property
    def title(self) -> str:
        return f"the API has the address {self.vip.address}" if self.vip else "the API has no VIP"

    def probe(self) -> ShellProbe[FileState]:
        return MANIFEST

    def decide(self, look: Look) -> Decision:
        file = look.read(MANIFEST)
        present = file.content or ""
        if self.vip is None:
            return self._removal(present) if file.exists else Satisfied()
        wanted = render(self.vip)
        if present == wanted:
            return Satisfied()
        return Change(
            f"write {paths.VIP_MANIFEST}",
            (WriteFile(paths.VIP_MANIFEST, wanted, _PRIVATE),),
            reason="it differs" if present else "it is missing",
            diff=Diff(present, wanted),
        )

    def _removal(self, present: str) -> Change:
        return Change(
            f"remove {paths.VIP_MANIFEST} and what was deployed from it",
            (Run(f"rm -f {quote(paths.VIP_MANIFEST)}"), DeleteKubeVip()),
            reason="the file has no k3s.vip",
            diff=Diff(present, ""),
        )


def render(vip: Vip) -> str:
    """Return the text of the manifest; the same settings always give the same bytes."""
    objects = [_service_account(), _role(), _binding(), _daemon_set(vip)]
    return _HEADER + yaml.safe_dump_all(objects, sort_keys=True, width=1000)


def _meta(**more: str) -> dict[str, Any]:
    return {"name": _NAME, "labels": {"app.kubernetes.io/managed-by": "picluster"}, **more}


def _service_account() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(namespace=_NAMESPACE)}


def _role() -> dict[str, Any]:
    """Return what kube-vip may do: https://kube-vip.io/docs/installation/daemonset/ says why."""
    read = ["get", "list", "watch"]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": _meta(),
        "rules": [
            {"apiGroups": [""], "resources": ["services", "endpoints", "pods"], "verbs": read},
            {"apiGroups": [""], "resources": ["nodes"], "verbs": [*read, "update", "patch"]},
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "verbs": [*read, "create", "update"],
            },
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        ],
    }


def _binding() -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _meta(),
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _NAME},
        "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}],
    }


def _daemon_set(vip: Vip) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": _NAME}
    on_servers = {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}
                    ]
                }
            ]
        }
    }
    pod = {
        "serviceAccountName": _NAME,
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "affinity": {"nodeAffinity": on_servers},
        "tolerations": [{"operator": "Exists"}],
        "containers": [_container(vip)],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _meta(namespace=_NAMESPACE),
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _container(vip: Vip) -> dict[str, Any]:
    settings = {
        "address": vip.address,
        "port": str(paths.API_PORT),
        "vip_arp": "true",
        "vip_subnet": "128" if ":" in vip.address else "32",
        "cp_enable": "true",
        "cp_namespace": _NAMESPACE,
        "vip_leaderelection": "true",
        "vip_leaseduration": "15",
        "vip_renewdeadline": "10",
        "vip_retryperiod": "2",
    }
    if vip.interface is not None:
        settings["vip_interface"] = vip.interface
    name_of_node = {"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    return {
        "name": _NAME,
        "image": vip.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["manager"],
        "env": [
            {"name": "vip_nodename", **name_of_node},
            *({"name": key, "value": value} for key, value in sorted(settings.items())),
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}},
    }
