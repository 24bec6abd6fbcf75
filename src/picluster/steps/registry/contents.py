"""What is in the registry: repositories, tags, sizes."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.pool import Sessions
from picluster.engine.step import Fact, Observation, Query
from picluster.steps.registry.api import Endpoint, RegistryApi, reach

CONTENTS = "registry-contents"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One tag of a repository; `size` is what a pull of all it names brings, in bytes."""

    repository: str
    tag: str
    digest: str
    size: int


def contents_fact(endpoint: Endpoint, sessions: Sessions) -> Fact:
    """Observe every image of the registry."""
    return Fact(
        CONTENTS, "the registry's images are known", Query(lambda: _read(endpoint, sessions))
    )


def stored_images(seen: Observation) -> list[StoredImage]:
    """Return the images that a look saw."""
    value = seen.value if isinstance(seen.value, tuple) else ()
    return [each for each in value if isinstance(each, StoredImage)]


def _read(endpoint: Endpoint, sessions: Sessions) -> tuple[StoredImage, ...]:
    with reach(endpoint, sessions) as api:
        return tuple(image for name in sorted(api.repositories()) for image in images_of(api, name))


def images_of(api: RegistryApi, repository: str) -> list[StoredImage]:
    """Return a repository's images; a tag that went meanwhile is left out."""
    found = [(tag, *api.size(repository, tag)) for tag in api.tags(repository)]
    return [StoredImage(repository, tag, digest, size) for tag, digest, size in found if digest]
