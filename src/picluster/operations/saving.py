"""Everything that `up` needs from the internet goes into a directory, for nodes without it.

What is there and whole is not fetched again; what is fetched is whole or not there. The checksum
file lists only what has been verified.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import yaml

from picluster.apps.image_lists import RELEASES, list_files, read_lists, releases_of
from picluster.apps.needed_images import Use, WantedImage, needed_images
from picluster.apps.opentakserver.interface import release_file
from picluster.apps.rancher.charts import ChartFile, chart_files
from picluster.apps.user_apps import APPS
from picluster.engine.lock import WorkstationLock
from picluster.errors import PiclusterError, StepFailed
from picluster.local_files import replacing
from picluster.model import Cluster
from picluster.model.yaml_limits import read_yaml
from picluster.phases.registry import endpoint
from picluster.site import Site
from picluster.steps.download import MOST_TEXT, Report, digest_of, download, parse_checksums
from picluster.steps.image_reference import Reference, read_reference
from picluster.steps.images.archives import ImageArchive, archive_of, archives_in
from picluster.steps.images.distribution import Puller, PullPlace, write_archive
from picluster.steps.images.sources import sources_of
from picluster.steps.k3s.artifacts import INSTALL_SCRIPT, binary_name
from picluster.steps.registry.api import reach
from picluster.steps.saved_images import for_docker, for_nodes, read_saved, write_sums
from picluster.steps.sizes import size_text

_PARTS = ".parts"
"""Layers that were fetched, until their image is whole; several images may share some."""
_LOCK = ".picluster.lock"
_FIX = "check the network, and run the same command again: what is here is not fetched again"


@dataclass(slots=True)
class Saving:
    """One directory in the making."""

    site: Site
    directory: Path
    platforms: tuple[str, ...]
    report: Report
    sums: dict[str, str] = field(default_factory=dict)
    failures: list[PiclusterError] = field(default_factory=list)
    _before: dict[str, str] = field(default_factory=dict)

    def run(self) -> tuple[PiclusterError, ...]:
        """Fetch everything; return what could not be had, and why.

        Raises `Locked` if another run does so here, and `StepFailed` if not even the lists of what
        is needed can be had, or for want of room.
        """
        where = str(self.directory)
        lock = WorkstationLock(self.directory / _LOCK, "it is being saved to already", where)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock.take()
            self._everything()
        except OSError as error:
            raise StepFailed(f"this computer refuses it: {error}", where=where, fix=_FIX) from error
        finally:
            lock.release()
        return tuple(self.failures)

    def _everything(self) -> None:
        saved = read_saved(self.directory)
        self._before = dict(saved.sums) if saved else {}
        for name, url in list_files(self._cluster).items():
            self._small(name, url)
        self._record()
        lists = read_lists(self._cluster, self.directory, fetch=True)
        for path in sorted((self.directory / APPS).glob("*.yaml")):
            self._note(f"{APPS}/{path.name}")
        self._k3s()
        self._others()
        wanted = needed_images(self._cluster, lists, self.platforms)
        self._images([each for each in wanted if each.use is not Use.K3S])
        write_sums(self.directory, self.sums)
        if not self.failures:
            shutil.rmtree(self.directory / _PARTS, ignore_errors=True)

    @property
    def _cluster(self) -> Cluster:
        return self.site.cluster

    # -------------------------------------------------------------- files

    def _small(self, name: str, url: str, sha256: str | None = None) -> None:
        """Fetch a small file anew: its name does not tell which release it is of."""
        download(url, self.directory / name, self.report, sha256=sha256, fix=_FIX, most=MOST_TEXT)
        self._note(name)

    def _record(self) -> None:
        """Say which releases the directory is for."""
        lines = "".join(f"{each}\n" for each in releases_of(self._cluster))
        with replacing(self.directory / RELEASES, 0o666) as file:
            file.write(lines.encode())
        self._note(RELEASES)

    def _large(self, name: str, url: str, sha256: str | None) -> None:
        """Fetch a file, unless it is there and the one that is wanted."""
        path = self.directory / name
        wanted = sha256 or self._before.get(name)
        if wanted is None or not path.is_file() or digest_of(path) != wanted:
            self.report(f"downloading {name}")
            download(url, path, self.report, sha256=sha256, fix=_FIX)
        self._note(name, wanted if sha256 else None)

    def _note(self, name: str, digest: str | None = None) -> None:
        """Know a file for whole. Images of before stay known, too, lest a run is cut off here."""
        self.sums[name] = digest or digest_of(self.directory / name)
        images = {each: told for each, told in self._before.items() if "/" in each}
        write_sums(self.directory, images | self.sums)

    def _k3s(self) -> None:
        k3s = self._cluster.k3s
        release = f"{k3s.release_url.rstrip('/')}/{k3s.version.replace('+', '%2B')}"
        self._small(INSTALL_SCRIPT, k3s.install_url, k3s.install_sha256)
        for platform in self.platforms:
            listed = f"sha256sum-{platform}.txt"
            self._small(listed, f"{release}/{listed}")
            sums = parse_checksums((self.directory / listed).read_text("utf-8", "replace"))
            for name in (binary_name(platform), f"k3s-airgap-images-{platform}.tar.zst"):
                if name not in sums:
                    raise StepFailed(f"{listed} does not list {name}", where=release, fix=_FIX)
                self._large(name, f"{release}/{name}", sums[name])

    def _others(self) -> None:
        ots, rancher = self._cluster.opentakserver, self._cluster.rancher
        if ots is not None and ots.ui.ref is None and ots.ui.archive is None:
            name, url = release_file(ots.ui)
            with self._or_told():
                self._large(name, url, ots.ui.sha256)
        for chart in chart_files(rancher) if rancher is not None else ():
            with self._or_told():
                url, digest = _in_index(chart)
                self._large(chart.file, url, digest)

    # -------------------------------------------------------------- images

    def _images(self, wanted: Sequence[WantedImage]) -> None:
        archives = archives_in(self._cluster.images.archive)
        pairs = [(each, platform) for each in wanted for platform in each.platforms]
        for number, (each, platform) in enumerate(pairs, 1):
            told = f"[{number}/{len(pairs)}] {each.image} {platform}"
            with self._or_told():
                self._one(each, platform, archives, told)

    def _one(
        self, each: WantedImage, platform: str, archives: tuple[ImageArchive, ...], told: str
    ) -> None:
        docker = each.use in (Use.DOCKER, Use.BUILT)
        if docker and archive_of(archives, each.image) is not None:
            self.report(f"{told}: in images.archive already")
            return
        name = for_docker(each.image) if docker else for_nodes(each.image, platform)
        path = self.directory / name
        # What is built may have been built anew, under the same name.
        if each.use is not Use.BUILT and self._is_whole(name):
            self.report(f"{told}: here already")
            self._note(name, self._before[name])
            return
        with self._ways(each) as ways:
            self._fetch(read_reference(each.image), ways, platform, path, told)
        self._note(name)

    def _is_whole(self, name: str) -> bool:
        path = self.directory / name
        return path.is_file() and digest_of(path) == self._before.get(name)

    def _fetch(
        self,
        image: Reference,
        ways: Sequence[tuple[PullPlace, Reference]],
        platform: str,
        path: Path,
        told: str,
    ) -> None:
        """Fetch from the first place that has it. Raises `StepFailed` with what each said."""
        said: list[StepFailed] = []
        for source, there in ways:
            registry = Puller(source)
            try:
                manifest = registry.manifest(there, platform)
                self.report(f"{told}: {size_text(manifest.size)}")
                parts = {
                    blob.digest: self.directory / _PARTS / blob.digest.removeprefix("sha256:")
                    for blob in (manifest.config, *manifest.layers)
                }
                for blob in (manifest.config, *manifest.layers):
                    registry.blob(there, blob, parts[blob.digest])
            except StepFailed as error:
                said.append(error)
            else:
                write_archive(image, manifest, parts, path)
                return
        why = "; ".join(f"{each.where}: {each.why or each.what}" for each in said)
        raise StepFailed(f"{image.full} cannot be had for {platform}", why=why, fix=said[-1].fix)

    @contextmanager
    def _ways(self, each: WantedImage) -> Iterator[Sequence[tuple[PullPlace, Reference]]]:
        """Lend the places to fetch an image from: what is built is in the cluster's registry."""
        image = read_reference(each.image)
        if each.use is not Use.BUILT:
            yield sources_of(self._cluster, self.site.registry_logins, image)
            return
        with _not_built(each.image):
            known = endpoint(self.site)
            with reach(known, self.site.sessions) as way:
                scheme = "https" if known.authority else "http"
                url = f"{scheme}://127.0.0.1:{way.port}"
                there = Reference("", *each.image.rsplit(":", 1))
                yield [(PullPlace(url, known.credentials, known.authority), there)]

    @contextmanager
    def _or_told(self) -> Iterator[None]:
        """Let the others be fetched all the same."""
        try:
            yield
        except PiclusterError as error:
            self.report(f"FAILED: {error.what}")
            self.failures.append(error)


@contextmanager
def _not_built(image: str) -> Iterator[None]:
    try:
        yield
    except PiclusterError as error:
        raise StepFailed(
            f"{image} is built on a node, and no registry has it yet",
            why=str(error.what),
            fix="run `picluster up` once where the nodes have the internet, then save again; or "
            "put an archive of `docker save` into images.archive",
        ) from error


def _in_index(chart: ChartFile) -> tuple[str, str | None]:
    """Return where a chart's archive is, and its digest, by its repository's index.

    https://helm.sh/docs/topics/chart_repository/ describes it. Raises `StepFailed`.
    """
    base = f"{chart.repository.rstrip('/')}/"
    url = f"{base}index.yaml"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "index.yaml"
        download(url, path, lambda _: None, fix=_FIX, most=MOST_TEXT)
        try:
            entries = read_yaml(path.read_text("utf-8"))["entries"][chart.chart]
            found = next(each for each in entries if each["version"] == chart.version)
            digest = str(found.get("digest") or "").removeprefix("sha256:")
            return urljoin(base, str(found["urls"][0])), digest or None
        except StopIteration:
            why = f"it has no {chart.chart} {chart.version}"
        except (
            yaml.YAMLError,
            KeyError,
            IndexError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            why = f"{type(error).__name__}: {error}"
    raise StepFailed("the repository of charts makes no sense", where=url, why=why, fix=_FIX)
