"""Where images really come from: mirrors of registries, and how each host of them is spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from picluster.model.network import Url
from picluster.model.paths import LocalPath
from picluster.model.refusal import refuse
from picluster.model.registry import LoginName
from picluster.model.scalars import Text, YesNo, matching
from picluster.model.secret_ref import SecretReference
from picluster.model.section import Section

_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\]"

RegistryHost = Annotated[
    str,
    matching(
        rf"({_HOST})(:[1-9][0-9]{{0,4}})?",
        "is not the host of a registry",
        "write host or host:port, without https:// and without a path",
    ),
]


Mirrored = Annotated[
    str,
    matching(
        rf"\*|({_HOST})(:[1-9][0-9]{{0,4}})?",
        "is not the name of a registry",
        'write it as images do, such as docker.io or ghcr.io, or "*" for all others',
    ),
]


def _pattern(value: str) -> str:
    # containerd's are Go's regular expressions; what both know is all that a rewrite needs.
    if not value or not value.isprintable():
        raise refuse("is not a pattern", "write a regular expression, such as '^library/(.*)'")
    return value


class Mirror(Section):
    """A registry that is fetched from somewhere else."""

    registry: Mirrored
    """The registry as images name it, such as docker.io; "*" for all others."""
    endpoints: tuple[Url, ...] = ()
    """URLs that are tried in this order, and then the registry itself; none is fine with
    k3s.embedded_registry.
    """
    rewrites: Mapping[Annotated[str, AfterValidator(_pattern)], Text] = Field({})
    """What becomes of repositories' names there: a regular expression, and what replaces it, such
    as '^library/(.*)': 'hub/$1'.
    """


class RegistryAccess(Section):
    """How one host of images is spoken to: who logs in, and whom its certificate is from."""

    host: RegistryHost
    """The host, with its port if it has one, as in k3s.mirrors.endpoints."""
    username: LoginName | None = None
    """Name to log in by, with k3s.registry_access.password."""
    password: SecretReference | None = None
    """Where the password is that goes with the user name."""
    ca: LocalPath | None = None
    """Certificate file of the authority that its certificate is from."""
    skip_verify: YesNo = False
    """Whether any certificate will do; then anybody on the way can be it."""
