"""The build phase: the registry has every image of the file, made of its present inputs."""

from __future__ import annotations

from picluster.apps.opentakserver.built_in import built_in
from picluster.engine.phase import Phase, Stage, Width
from picluster.engine.probe import ShellProbe
from picluster.engine.step import Fact, Step
from picluster.engine.survey import CLUSTER, Look, Survey
from picluster.model import Cluster, Node
from picluster.phases.registry import docker, endpoint
from picluster.site import Site
from picluster.steps.images.archives import ImageArchive, archives_in
from picluster.steps.images.built import ImageBuilt
from picluster.steps.images.workshop import Builder
from picluster.steps.saved_images import DOCKER, read_saved

_NAME = "build"
_MEMORY_OF_A_BUILD = 1500
"""MiB that a build is given room for: compilers and npm take about that on a Pi."""


def build(site: Site) -> Phase:
    """Build the phase; for a cluster without images of its own there is nothing in it."""
    cluster = site.cluster
    builder = cluster.builder
    if builder is None:
        return Phase(_NAME, "there are no images to build", ())
    shop = Builder(
        builder.name,
        endpoint(site),
        next(iter(cluster.registry_endpoints)),
        _archives(cluster),
        cluster.limits.build,
        tuple(cluster.proxy_environment.items()),
    )
    images = {each.reference: ImageBuilt(each, shop) for each in cluster.images.build}
    own = built_in(cluster, site.here.cache)
    if own is not None:
        images[own.server.reference] = ImageBuilt(own.server, shop)
        if own.database is not None:
            images[own.database.reference] = ImageBuilt(own.database, shop)
        images[own.ui.reference] = ImageBuilt(own.ui, shop, made_by=own.ui_files.title)
    needs = {builder.name, *([cluster.registry.node] if cluster.registry else [])}
    ui = {CLUSTER: [own.ui_files]} if own else {}
    return Phase(
        _NAME,
        f"the registry has the images of {cluster.name}",
        (
            Stage("the builder is ready", {builder.name: _builder(site, builder)}, needs=needs),
            *([Stage("the web interface is here", ui, needs=needs)] if ui else []),
            Stage(
                "images are built",
                {f"image {reference}": [step] for reference, step in images.items()},
                width=_as_memory_allows(builder.name),
                needs=needs,
            ),
        ),
    )


def _archives(cluster: Cluster) -> tuple[ImageArchive, ...]:
    """Return the user's own archives, and those that were saved for Docker."""
    saved = read_saved(cluster.k3s.airgap_dir)
    directory = saved.directory / DOCKER if saved else None
    more = archives_in(directory) if directory is not None and directory.is_dir() else ()
    return (*archives_in(cluster.images.archive), *more)


def _builder(site: Site, builder: Node) -> list[Step]:
    """Return the steps after which the builder has Docker; the registry's node has it already."""
    memory = Fact(_FREE_MEMORY.name, "the builder's free memory is known", _FREE_MEMORY)
    registry = site.cluster.registry
    if registry is not None and registry.node == builder.name:
        return [memory]
    return [*docker(site, builder), memory]


_FREE_MEMORY = ShellProbe(
    "builder-memory",
    "sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/available=\\1/p' /proc/meminfo",
    lambda seen: seen.number("available", 0),
)
"""How much memory programs can still have, in KiB."""


def _as_memory_allows(builder: str) -> Width:
    """Build several at once if the builder has the memory for it, and always at least one."""

    def width(survey: Survey) -> int | None:
        kibibytes = Look(builder, "", survey).find(_FREE_MEMORY) or 0
        return max(1, kibibytes // 1024 // _MEMORY_OF_A_BUILD)

    return width
