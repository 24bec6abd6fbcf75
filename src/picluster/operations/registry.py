"""Work on a registry that is there: list what it holds, remove what no image uses."""

from __future__ import annotations

from collections.abc import Iterator

from picluster import commands
from picluster.commands import Build
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Fact
from picluster.engine.survey import Look
from picluster.errors import UsageError
from picluster.model import Cluster, Registry
from picluster.phases.registry import endpoint
from picluster.site import Site
from picluster.steps.registry.container import Definition
from picluster.steps.registry.contents import Contents, StoredImage
from picluster.steps.registry.garbage import GarbageCollected


def registry_of(cluster: Cluster) -> Registry:
    """Return the cluster's registry; raises `UsageError` if it has none."""
    if cluster.registry is None:
        raise UsageError(
            "the cluster file has no registry",
            fix="add a `registry:` section with the node that it is to run on",
        )
    return cluster.registry


def images_of(site: Site) -> list[StoredImage]:
    """Look at what the registry holds, and return its images. Raises a `NodeError`."""
    home, contents = registry_of(site.cluster).node, Contents(endpoint(site))
    fact = Fact(contents.name, "the registry's images are known", contents)
    stage = Stage("its images", {home: [fact]})
    phase = Phase("registry-list", "what the registry holds", (stage,))
    seen = commands.plan(site, lambda *_: [phase])
    if home in seen.unreached:
        raise seen.unreached[home]
    return list(Look(home, "", seen.plans[0].survey).read(contents))


def collection(*, untagged: bool) -> Build:
    """Return what removes unused data once, and brings back how much (`Freed`)."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        wanted = registry_of(site.cluster)
        step = GarbageCollected(Definition.of(wanted), untagged)
        yield Phase(
            "registry-gc",
            "the registry holds nothing that no image uses",
            (Stage("unused data is removed", {wanted.node: [step]}),),
        )

    return build
