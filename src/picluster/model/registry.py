"""The cluster's own image registry."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from picluster.model.image import image_like
from picluster.model.names import HostLabel
from picluster.model.own_directory import own_directory
from picluster.model.scalars import Port, YesNo, matching
from picluster.model.secret_ref import SecretReference
from picluster.model.section import Section

DEFAULT_IMAGE = "registry:2"
DEFAULT_VOLUME = "/var/lib/picluster-registry"

Image = Annotated[str, AfterValidator(image_like(DEFAULT_IMAGE))]
OwnDirectory = Annotated[str, AfterValidator(own_directory(DEFAULT_VOLUME, "the registry"))]
LoginName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}",
            "is not a user name that a registry takes",
            "use up to 64 letters, digits, '.', '_', '@' and '-'",
        )
    ),
]


class Registry(Section):
    """The image registry that every node pulls from."""

    node: HostLabel = Field(description="Name of the node that the registry runs on, in Docker.")
    port: Port = Field(5000, description="TCP port that the registry listens on.")
    image: Image = Field(
        DEFAULT_IMAGE, description="The registry's own image; k3s.airgap_dir may hold its archive."
    )
    volume: OwnDirectory = Field(
        DEFAULT_VOLUME, description="Directory on the node that the images are kept in."
    )
    tls: YesNo = Field(
        False,
        description="Whether it speaks HTTPS, by a certificate that every node is made to trust.",
    )
    username: LoginName | None = Field(
        None, description="Name to log in by, with registry.password; anybody may pull if left out."
    )
    password: SecretReference | None = Field(
        None, description="Where the password is that goes with registry.username."
    )
