"""A virtual IP address for the API, which moves to another server when its holder is lost."""

from __future__ import annotations

from typing import Annotated

from picluster.model.image import image_like
from picluster.model.linux import Interface
from picluster.model.network import IpAddress
from picluster.model.releases import DEFAULTS
from picluster.model.section import Section

DEFAULT_IMAGE = f"ghcr.io/kube-vip/kube-vip:{DEFAULTS['kube_vip']}"

Image = Annotated[str, image_like(DEFAULT_IMAGE)]


class Vip(Section):
    """An address of its own for the API, held by one of the servers through kube-vip (ARP)."""

    address: IpAddress
    """A free address in the servers' own network, outside of DHCP's range."""
    interface: Interface | None = None
    """Network interface that gets it; the default route's if left out."""
    image: Image = DEFAULT_IMAGE
    """The kube-vip image that holds the address."""
