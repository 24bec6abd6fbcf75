"""What releases and applications consist of: read from files that were fetched before."""

from __future__ import annotations

from pathlib import Path

from picluster.apps.longhorn.manifest import ManifestHere
from picluster.apps.needed_images import Lists, built_images
from picluster.apps.opentakserver.built_in import built_in
from picluster.apps.user_apps import APPS, AppSource, file_of
from picluster.engine.place import Tools
from picluster.kube.api import Object
from picluster.model import Cluster
from picluster.model.images import BuiltImage
from picluster.steps.images.context import Context

K3S_LIST = "k3s-images.txt"
RANCHER_LIST = "rancher-images.txt"
RELEASES = "releases.txt"
"""Says which releases a directory was saved for: the files' names do not."""
LONGHORN = "longhorn.yaml"


def read_lists(cluster: Cluster, directory: Path, *, fetch: bool) -> Lists:
    """Read them; what is not in the directory is empty.

    With `fetch`, applications that have a `url` are downloaded to it.

    Raises `PiclusterError` for a manifest or a Dockerfile that cannot be read.
    """
    return Lists(
        k3s=_lines(directory / K3S_LIST),
        longhorn=_longhorn(cluster, directory),
        rancher=_lines(directory / RANCHER_LIST) if cluster.rancher else (),
        apps={
            app.name: AppSource(app, directory / APPS, kept=not fetch)(Tools())
            for app in cluster.apps
            if fetch or app.url is None or (directory / APPS / file_of(app)).is_file()
        },
        dockerfiles={
            each.reference: text
            for each in built_images(cluster)
            if (text := dockerfile_of(cluster, each)) is not None
        },
    )


def dockerfile_of(cluster: Cluster, image: BuiltImage) -> str | None:
    """Return the Dockerfile of an image; None if it is in a Git repository."""
    own = built_in(cluster, Path())
    if own is not None and image.reference == own.ui.reference:
        return own.ui_files.texts["Dockerfile"]
    if image.context is None:
        return None
    return Context(image.context, image.dockerfile).text()


def _longhorn(cluster: Cluster, directory: Path) -> tuple[Object, ...]:
    if cluster.longhorn is None:
        return ()
    manifest = ManifestHere(cluster.longhorn, directory, directory)
    return tuple(manifest.read()) if manifest.path.is_file() else ()


def _lines(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    lines = (line.strip() for line in path.read_text("utf-8", "replace").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def releases_of(cluster: Cluster) -> tuple[str, ...]:
    """Return which releases the file asks for of what has one name whatever its release."""
    longhorn, rancher = cluster.longhorn, cluster.rancher
    return (
        f"K3s {cluster.k3s.version}",
        *([f"Longhorn {longhorn.version}"] if longhorn and longhorn.manifest is None else []),
        *([f"Rancher {rancher.version}"] if rancher else []),
    )


def list_files(cluster: Cluster) -> dict[str, str]:
    """Return the small files that say which images there are: their addresses, by name."""
    k3s, longhorn, rancher = cluster.k3s, cluster.longhorn, cluster.rancher
    release = f"{k3s.release_url.rstrip('/')}/{k3s.version.replace('+', '%2B')}"
    found = {K3S_LIST: f"{release}/{K3S_LIST}"}
    if longhorn is not None and longhorn.manifest is None:
        found[LONGHORN] = f"{longhorn.release_url.rstrip('/')}/{longhorn.version}/{LONGHORN}"
    if rancher is not None:
        found[RANCHER_LIST] = f"{rancher.release_url.rstrip('/')}/v{rancher.version}/{RANCHER_LIST}"
    return found
