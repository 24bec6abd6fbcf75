"""The API's own address: kube-vip on the servers, deployed by K3s from its manifests directory."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

import yaml

from picluster.engine.place import Place
from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Diff, Run, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.files import FileState, whole_file
from picluster.kube.objects import delete
from picluster.kube.reach import api_of
from picluster.kube.template import template
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
    objects = template(__package__, "kube-vip")
    (container,) = objects[-1]["spec"]["template"]["spec"]["containers"]
    settings = {"address": vip.address, "vip_subnet": "128" if ":" in vip.address else "32"}
    if vip.interface is not None:
        settings["vip_interface"] = vip.interface
    node_name, *others = container["env"]
    others += [{"name": name, "value": value} for name, value in settings.items()]
    container["env"] = [node_name, *sorted(others, key=itemgetter("name"))]
    container["image"] = vip.image
    return _HEADER + yaml.safe_dump_all(objects, sort_keys=True, width=1000)
