"""The cluster's own image registry."""

from __future__ import annotations

from pydantic import Field

from picluster.model.names import HostLabel
from picluster.model.scalars import Port
from picluster.model.section import Section


class Registry(Section):
    """The image registry that every node pulls from."""

    node: HostLabel = Field(description="Name of the node that the registry runs on.")
    port: Port = Field(5000, description="TCP port that the registry listens on.")
