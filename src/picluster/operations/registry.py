"""Work on a registry that is there: list what it holds, remove what no image uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from picluster.commands import Build
from picluster.engine.phase import Phase, Stage
from picluster.engine.plan import PhasePlan
from picluster.engine.step import Fact
from picluster.engine.survey import Look
from picluster.errors import UsageError
from picluster.model import Cluster, Registry
from picluster.phases.registry import definition, endpoint
from picluster.site import Site
from picluster.steps.registry.contents import Contents, StoredImage
from picluster.steps.registry.garbage import Freed, GarbageCollected


def registry_of(cluster: Cluster) -> Registry:
    """Return the cluster's registry; raises `UsageError` if it has none."""
    if cluster.registry is None:
        raise UsageError(
            "the cluster file has no registry",
            fix="add a `registry:` section with the node that it is to run on",
        )
    return cluster.registry


def listing(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    """Look at what the registry holds."""
    home, contents = registry_of(site.cluster).node, Contents(endpoint(site))
    fact = Fact(contents.name, "the registry's images are known", contents)
    yield Phase("registry-list", "what the registry holds", (Stage("its images", {home: [fact]}),))


def images_in(plans: Sequence[PhasePlan]) -> list[StoredImage]:
    """Return the images that `listing` saw."""
    return [
        image
        for plan in plans
        for item in plan.items
        if isinstance(item.step, Fact) and isinstance(item.step.script, Contents)
        for image in Look(item.target, "", plan.survey).read(item.step.script)
    ]


def collection(report: Callable[[Freed], None], *, untagged: bool) -> Build:
    """Return what removes unused data once; `report` is told what was freed."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        wanted = registry_of(site.cluster)
        step = GarbageCollected(definition(wanted), untagged, report)
        yield Phase(
            "registry-gc",
            "the registry holds nothing that no image uses",
            (Stage("unused data is removed", {wanted.node: [step]}),),
        )

    return build
