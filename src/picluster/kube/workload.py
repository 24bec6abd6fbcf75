"""What runs pods, by its kind and name."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.kube.api import segment
from picluster.kube.kinds import KNOWN, group_path

_VERSIONS = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
}
_CHARTS = "/apis/helm.cattle.io/v1/namespaces"


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """Something that runs pods: a Deployment, StatefulSet, DaemonSet or Job.

    A HelmChart of K3s counts as one too: it is installed by a Job.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        """Where the API has it."""
        if self.kind == "HelmChart":
            return f"{_CHARTS}/{segment(self.namespace)}/helmcharts/{segment(self.name)}"
        version = _VERSIONS[self.kind]
        plural = KNOWN[version, self.kind].plural
        place = f"{group_path(version)}/namespaces/{segment(self.namespace)}"
        return f"{place}/{plural}/{segment(self.name)}"
