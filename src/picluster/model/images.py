"""Images of the user's own: built on a node, and pushed to the cluster's registry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from picluster.model.names import HostLabel
from picluster.model.paths import LocalPath
from picluster.model.refusal import refuse
from picluster.model.scalars import Text, matching
from picluster.model.section import Section

_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"

Repository = Annotated[
    str,
    matching(
        rf"(?=.{{1,200}}$){_PART}(/{_PART}){{0,5}}",
        "is not the name of a repository",
        "use lower-case letters, digits, dots and dashes, such as tak/map; the tag has a key "
        "of its own",
    ),
]
Tag = Annotated[
    str,
    matching(
        r"(?!inputs-)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
        "is not a tag of an image",
        'use letters, digits, dots and dashes, such as "1.0"; inputs-... are picluster\'s own',
    ),
]
_GIT_URL = re.compile(
    r"(https?://[A-Za-z0-9]|(ssh://)?[A-Za-z0-9_.-]+@[A-Za-z0-9])[^\s@'\"\\]{0,500}"
)


def _git_url(value: str) -> str:
    if not _GIT_URL.fullmatch(value):
        # It may have a password in it, so it is not shown.
        what, fix = "is not the URL of a Git repository", "write https://... or git@host:path"
        raise refuse(what, f"{fix}, without a password in it", unseen=True)
    return value


GitUrl = Annotated[str, AfterValidator(_git_url)]
GitRef = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}",
        "is not a branch, tag or commit",
        "write one, such as v1.2 or the 40 digits of a commit",
    ),
]
Inside = Annotated[
    str,
    matching(
        r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}",
        "is not a path inside the context",
        "write it relative to the context, such as docker/Dockerfile",
    ),
]
ArgName = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_]{0,100}",
        "is not the name of a build argument",
        "use letters, digits and '_', as after ARG in the Dockerfile",
    ),
]


class BuiltImage(Section):
    """One image: where its Dockerfile and files are, and what it is called."""

    name: Repository
    """Repository in the cluster's registry, such as tak/map."""
    tag: Tag
    """Tag that manifests refer to it by, such as its version."""
    context: LocalPath | None = None
    """Directory on this computer with the Dockerfile and what it copies."""
    git: GitUrl | None = None
    """Git repository with them instead; the builder fetches it."""
    ref: GitRef | None = None
    """Branch, tag or commit of images.build.git; needed with it."""
    dockerfile: Inside = "Dockerfile"
    """The Dockerfile, inside the context."""
    args: Mapping[ArgName, Text] = Field({})
    """Build arguments; not for secrets, images keep them."""

    @property
    def reference(self) -> str:
        """The repository and the tag."""
        return f"{self.name}:{self.tag}"


class Images(Section):
    """Images that are built for the cluster, and where they come from without the internet."""

    builder: HostLabel | None = None
    """Name of the node that builds; the registry's node if left out."""
    archive: LocalPath | None = None
    """Directory on this computer with archives of `docker save`: what is in there is loaded instead
    of pulled, and pushed instead of built.
    """
    build: tuple[BuiltImage, ...] = ()
    """The images to build."""
