"""One machine of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from picluster.model.k3s import K3sOverride
from picluster.model.names import HostLabel, LabelKey, LabelValue, Taint
from picluster.model.network import Address
from picluster.model.prepare import PrepareOverride
from picluster.model.scalars import one_of
from picluster.model.section import Section
from picluster.model.ssh import SshOverride
from picluster.model.storage import Disk

Role = Annotated[
    Literal["server", "agent"],
    one_of(
        ("server", "agent"),
        also={
            "master": "server",
            "control-plane": "server",
            "controller": "server",
            "worker": "agent",
            "node": "agent",
        },
    ),
]


class Node(Section):
    """One machine of the cluster."""

    name: HostLabel
    """Name of the machine in Kubernetes and on the network, without the domain."""
    address: Address
    """IP address or host name under which this computer and the nodes reach it."""
    role: Role
    """server runs the control plane (and pods), agent runs pods only."""
    labels: Mapping[LabelKey, LabelValue] = Field({})
    """Kubernetes labels of the node, for choosing where pods run."""
    taints: tuple[Taint, ...] = ()
    """Kubernetes taints that keep pods away, as key=value:NoSchedule."""
    disks: tuple[Disk, ...] = Field((), json_schema_extra={"maxItems": 1})
    """The disk that Longhorn's data is kept on, one at most; the system's if none."""
    ssh: SshOverride = SshOverride()
    """How this node is reached, where it differs from the others."""
    prepare: PrepareOverride = PrepareOverride()
    """Where this node's operating system differs from the others."""
    k3s: K3sOverride = K3sOverride()
    """What K3s should be like on this node only."""

    @property
    def is_server(self) -> bool:
        """Whether the node runs the control plane."""
        return self.role == "server"
