"""The cluster's own image registry."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from picluster.model.image import image_like
from picluster.model.names import HostLabel
from picluster.model.refusal import refuse
from picluster.model.scalars import Port, YesNo, matching
from picluster.model.secret_ref import SecretReference
from picluster.model.section import Section

DEFAULT_IMAGE = "registry:2"
DEFAULT_VOLUME = "/var/lib/picluster-registry"

_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
_DIRECTORY = re.compile(rf"(/{_PART}){{2,10}}")
# `reset --data` deletes the directory, so it must be the registry's alone.
_OTHERS = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp"),  # noqa: S108 - to be refused
    *("/usr", "/var/lib/docker", "/var/lib/kubelet", "/var/lib/picluster", "/var/lib/rancher"),
)


def _own_directory(value: str) -> str:
    path = value.rstrip("/")
    if not _DIRECTORY.fullmatch(path):
        raise refuse(
            "is not the path of a directory on the node",
            f"write an absolute path of at least two names, such as {DEFAULT_VOLUME}",
        )
    for other in map(PurePosixPath, _OTHERS):
        if PurePosixPath(path).is_relative_to(other) or other.is_relative_to(path):
            raise refuse(
                "belongs to the system or to somebody else",
                f"give the registry a directory of its own, such as {DEFAULT_VOLUME}",
            )
    return path


Image = Annotated[str, AfterValidator(image_like(DEFAULT_IMAGE))]
OwnDirectory = Annotated[str, AfterValidator(_own_directory)]
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
