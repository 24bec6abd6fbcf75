"""The cluster's own image registry."""

from __future__ import annotations

from typing import Annotated

from picluster.model.image import image_like
from picluster.model.names import HostLabel
from picluster.model.own_directory import own_directory
from picluster.model.scalars import Port, YesNo, matching
from picluster.model.secret_ref import SecretReference
from picluster.model.section import Section

DEFAULT_IMAGE = "registry:2"
DEFAULT_VOLUME = "/var/lib/picluster-registry"

Image = Annotated[str, image_like(DEFAULT_IMAGE)]
OwnDirectory = Annotated[str, own_directory(DEFAULT_VOLUME, "the registry")]
LoginName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}",
        "is not a user name that a registry takes",
        "use up to 64 letters, digits, '.', '_', '@' and '-'",
    ),
]


class Registry(Section):
    """The image registry that every node pulls from."""

    node: HostLabel
    """Name of the node that the registry runs on, in Docker."""
    port: Port = 5000
    """TCP port that the registry listens on."""
    image: Image = DEFAULT_IMAGE
    """The registry's own image; k3s.airgap_dir may hold its archive."""
    volume: OwnDirectory = DEFAULT_VOLUME
    """Directory on the node that the images are kept in."""
    tls: YesNo = False
    """Whether it speaks HTTPS, by a certificate that every node is made to trust."""
    username: LoginName | None = None
    """Name to log in by, with registry.password; anybody may pull if left out."""
    password: SecretReference | None = None
    """Where the password is that goes with registry.username."""
