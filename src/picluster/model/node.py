"""One machine of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

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
    BeforeValidator(
        one_of(
            ("server", "agent"),
            also={
                "master": "server",
                "control-plane": "server",
                "controller": "server",
                "worker": "agent",
                "node": "agent",
            },
        )
    ),
]


class Node(Section):
    """One machine of the cluster."""

    name: HostLabel = Field(
        description="Name of the machine in Kubernetes and on the network, without the domain."
    )
    address: Address = Field(
        description="IP address or host name under which this computer and the nodes reach it."
    )
    role: Role = Field(
        description="server runs the control plane (and pods), agent runs pods only."
    )
    labels: Mapping[LabelKey, LabelValue] = Field(
        {}, description="Kubernetes labels of the node, for choosing where pods run."
    )
    taints: tuple[Taint, ...] = Field(
        (), description="Kubernetes taints that keep pods away, as key=value:NoSchedule."
    )
    disks: tuple[Disk, ...] = Field(
        (),
        description="The disk that Longhorn's data is kept on, one at most; the system's if none.",
        json_schema_extra={"maxItems": 1},
    )
    ssh: SshOverride = Field(
        SshOverride(), description="How this node is reached, where it differs from the others."
    )
    prepare: PrepareOverride = Field(
        PrepareOverride(), description="Where this node's operating system differs from the others."
    )
    k3s: K3sOverride = Field(
        K3sOverride(), description="What K3s should be like on this node only."
    )

    @property
    def is_server(self) -> bool:
        """Whether the node runs the control plane."""
        return self.role == "server"
