"""Which images a cluster file leads to; needs this computer's network, and no node."""

from __future__ import annotations

import hashlib
from pathlib import Path

from picluster.apps.image_lists import list_files, read_lists
from picluster.apps.needed_images import WantedImage, needed_images
from picluster.model import Cluster
from picluster.steps.download import MOST_TEXT, Report, download
from picluster.steps.saved_images import read_saved


def listed(
    cluster: Cluster, cache: Path, platforms: tuple[str, ...], report: Report
) -> tuple[WantedImage, ...]:
    """Return them, by the lists of a saved air-gap directory or else by those that are fetched.

    Raises `StepFailed` for one that was never fetched and cannot be.
    """
    saved = read_saved(cluster.k3s.airgap_dir)
    if saved is not None:
        return needed_images(cluster, read_lists(cluster, saved.directory, fetch=False), platforms)
    for name, url in list_files(cluster).items():
        # One address, one directory: a list of another release is another list.
        directory = cache / "lists" / hashlib.sha256(url.encode()).hexdigest()[:16]
        if not (directory / name).is_file():
            fix = "check the network, and the versions in the cluster file"
            download(url, directory / name, report, fix=fix, most=MOST_TEXT)
        link = cache / "lists" / name
        link.write_bytes((directory / name).read_bytes())
    return needed_images(cluster, read_lists(cluster, cache / "lists", fetch=True), platforms)
