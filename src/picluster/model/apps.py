"""The user's own applications: manifests that are applied, and pruned when they leave the file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from picluster.model.names import HostLabel
from picluster.model.network import Url
from picluster.model.paths import LocalPath
from picluster.model.refusal import refuse
from picluster.model.scalars import Digest
from picluster.model.section import Section

OPENTAKSERVER = "opentakserver"
TAKEN = ("longhorn", OPENTAKSERVER, "rancher", "picluster")
"""Parts of a cluster that picluster manages itself."""


def _own_name(value: str) -> str:
    if value in TAKEN:
        raise refuse("is what picluster calls a part of its own", f"call it my-{value}")
    return value


class App(Section):
    """One application: where its manifests are."""

    name: Annotated[HostLabel, AfterValidator(_own_name)]
    """What it is called; its objects carry the name as a label."""
    path: LocalPath | None = None
    """A manifest on this computer, or a directory of them; one with a kustomization.yaml is built
    by kustomize.
    """
    url: Url | None = None
    """A manifest on the internet, instead of a path."""
    sha256: Digest | None = None
    """What the file at apps.url has to have as SHA-256."""
    namespace: HostLabel | None = None
    """Namespace of objects that name none; it is made if need be."""
