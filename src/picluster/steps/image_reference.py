"""What an image is called, in short and in full. Pure.

https://github.com/distribution/reference has the rules: what has no registry's host in front is
Docker's, and what has no name in front of its own there is of `library`.
"""

from __future__ import annotations

from dataclasses import dataclass

DOCKER = "docker.io"


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
        """The name of its archive, the same however the image is called."""
        return f"{self.full.replace('/', '_').replace('@sha256:', '_').replace(':', '_')}.tar"


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
