"""What is in the registry: repositories, tags, sizes."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.steps.registry.api import RegistryApi, RegistryEndpoint, reach


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One tag of a repository; `size` is what a pull of all it names brings, in bytes."""

    repository: str
    tag: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Contents:
    """Every image of the registry."""

    endpoint: RegistryEndpoint
    name: str = "registry-contents"
    secret: bool = False

    def ask(self, tools: Tools) -> tuple[StoredImage, ...]:
        """List them. Raises `StepFailed` if the registry does not answer."""
        with reach(self.endpoint, tools.get(Sessions)) as api:
            return tuple(
                image for name in sorted(api.repositories()) for image in images_of(api, name)
            )


def images_of(api: RegistryApi, repository: str) -> list[StoredImage]:
    """Return a repository's images; a tag that went meanwhile is left out."""
    found = [(tag, *api.size(repository, tag)) for tag in api.tags(repository)]
    return [StoredImage(repository, tag, digest, size) for tag, digest, size in found if digest]
