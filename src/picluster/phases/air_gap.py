"""The air-gap directory is whole before anything starts: what `images save` made, for this file."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.apps.image_lists import RELEASES, list_files, read_lists, releases_of
from picluster.apps.needed_images import Use, WantedImage, needed_images
from picluster.apps.opentakserver.interface import release_file
from picluster.apps.rancher.charts import chart_files
from picluster.apps.user_apps import APPS, file_of
from picluster.engine.phase import Phase, Stage
from picluster.engine.place import Tools
from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Decision, Fact, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.model import Cluster
from picluster.steps.images.archives import archive_of, archives_in
from picluster.steps.k3s.artifacts import INSTALL_SCRIPT, binary_name
from picluster.steps.preflight.machine import SYSTEM
from picluster.steps.saved_images import AirGap, for_docker, for_nodes

_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Lacking:
    """What an air-gap directory lacks: of files, by processor; of what is built, by image."""

    missing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unbuilt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LackingHere:
    """Look which files are missing from a directory, for each processor that a node may have."""

    cluster: Cluster
    saved: AirGap
    name: str = "air-gap-lacks"
    secret: bool = False

    def ask(self, tools: Tools) -> Lacking:
        """Read the lists that lie in it, and compare. Raises `PiclusterError` for bad manifests."""
        lists = read_lists(self.cluster, self.saved.directory, fetch=False)
        path = self.saved.path(RELEASES)
        there = path.read_text("utf-8", "replace").splitlines() if path else []
        others = [each for each in releases_of(self.cluster) if each not in there]
        missing: list[tuple[str, tuple[str, ...]]] = []
        unbuilt: tuple[str, ...] = ()
        for platform in ("amd64", "arm64"):
            wanted = needed_images(self.cluster, lists, (platform,))
            files = (*files_needed(self.cluster, platform), *self._archives(wanted, platform))
            lacks = [name for name in dict.fromkeys(files) if self.saved.path(name) is None]
            missing.append((platform, (*others, *lacks)))
            unbuilt = self._unbuilt(wanted)
        return Lacking(tuple(missing), unbuilt)

    def _archives(self, wanted: tuple[WantedImage, ...], platform: str) -> list[str]:
        found = []
        for each in wanted:
            if each.use in (Use.NODES, Use.SERVERS):
                found.append(for_nodes(each.image, platform))
            # What is built on others may be saved itself, or lie in a mirror of the builder's.
            elif each.use is Use.DOCKER and self._is_the_registrys(each.image):
                found.append(for_docker(each.image))
        return found

    def _is_the_registrys(self, image: str) -> bool:
        return self.cluster.registry is not None and self.cluster.registry.image == image

    def _unbuilt(self, wanted: tuple[WantedImage, ...]) -> tuple[str, ...]:
        own = archives_in(self.cluster.images.archive)
        return tuple(
            each.image
            for each in wanted
            if each.use is Use.BUILT
            and archive_of(own, each.image) is None
            and self.saved.path(for_docker(each.image)) is None
        )


def files_needed(cluster: Cluster, platform: str) -> list[str]:
    """Return what has to be in the directory besides images."""
    ots, rancher = cluster.opentakserver, cluster.rancher
    found = [INSTALL_SCRIPT, f"sha256sum-{platform}.txt", binary_name(platform)]
    found += [f"k3s-airgap-images-{platform}.tar.zst", *list_files(cluster)]
    if ots is not None and ots.ui.ref is None and ots.ui.archive is None:
        found.append(release_file(ots.ui)[0])
    found += [each.file for each in chart_files(rancher)] if rancher is not None else []
    found += [f"{APPS}/{file_of(app)}" for app in cluster.apps if app.url is not None]
    return found


@dataclass(frozen=True, slots=True)
class DirectoryWhole:
    """The directory has everything that the cluster file leads to, for the nodes that there are."""

    cluster: Cluster
    saved: AirGap
    name: str = "air-gap-whole"
    title: str = "the air-gap directory has everything"

    def probe(self) -> LackingHere:
        """Look what it lacks."""
        return LackingHere(self.cluster, self.saved)

    def decide(self, look: Look) -> Decision:
        """Refuse a directory that lacks something for a processor that a node has."""
        lacking, directory = look.read(self.probe()), self.saved.directory
        seen = {system.arch for system in look.every(SYSTEM).values()}
        missing = [name for arch, names in lacking.missing if arch in seen for name in names]
        missing = list(dict.fromkeys(missing))
        if missing:
            more = len(missing) - _MOST_NAMED
            named = ", ".join(missing[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            archs = " ".join(f"--arch {arch}" for arch in sorted(seen))
            return Blocked(
                f"the air-gap directory {directory} has no {named}",
                f"where there is a network: picluster images save {quote(str(directory))} {archs}",
            )
        if lacking.unbuilt:
            named = ", ".join(lacking.unbuilt)
            return Satisfied(
                warning=f"{named} will be built, and the builder needs what that takes: without "
                "the internet save what a cluster has built already"
            )
        return Satisfied(detail=f"{len(self.saved.sums)} files")


def air_gap(cluster: Cluster, saved: AirGap) -> Phase:
    """Build the phase; it changes nothing."""
    processor = Fact(SYSTEM.name, "the node's processor is known", SYSTEM)
    return Phase(
        "air-gap",
        "nothing is needed from the internet",
        (
            Stage(
                "processors are known",
                {node.name: [processor] for node in cluster.nodes},
                independent=True,
            ),
            Stage("the directory is whole", {CLUSTER: [DirectoryWhole(cluster, saved)]}),
        ),
    )
