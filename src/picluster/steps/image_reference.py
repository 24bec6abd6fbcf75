"""What an image is called, in short and in full. Pure.

https://github.com/distribution/reference has the rules: what has no registry's host in front is
Docker's, and what has no name in front of its own there is of `library`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

DOCKER = "docker.io"
_NO_PART_OF_A_FILE = re.compile("[^A-Za-z0-9.-]")
_LONGEST = 180
"""Of 255 bytes, what is added to a name on nodes and while it is written leaves more than that."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in a registry; `tag` or `digest` may be empty, not both."""

    host: str
    repository: str
    tag: str
    digest: str = ""

    @property
    def version(self) -> str:
        """What a registry is asked for: the digest, if there is one."""
        return self.digest or self.tag

    @property
    def full(self) -> str:
        """The name under which containerd keeps it."""
        mark = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.host}/{self.repository}{mark}"

    @property
    def short(self) -> str:
        """The name under which Docker keeps it."""
        return self.full.removeprefix(f"{DOCKER}/").removeprefix("library/")

    @property
    def file(self) -> str:
        """The name of its archive, the same however the image is called.

        Where another image could have it too, or it would be longer than a file's name may be, a
        digest of the whole name is in it.
        """
        name = _NO_PART_OF_A_FILE.sub("_", self.full.replace("@sha256:", "_"))
        if "_" not in self.full and ":" not in self.host and len(name) <= _LONGEST:
            return f"{name}.tar"
        digest = hashlib.sha256(self.full.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{name[:_LONGEST]}-{digest[:16]}.tar"


def read_reference(text: str) -> Reference:
    """Read an image's name; one without a tag or digest means `latest`."""
    name, _, digest = text.partition("@")
    first, _, rest = name.partition("/")
    is_host = rest and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if is_host else (DOCKER, name)
    repository, _, tag = path.partition(":")
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = DOCKER
    if host == DOCKER and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(host, repository, tag or ("" if digest else "latest"), digest)
