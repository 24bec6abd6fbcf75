"""Where this computer fetches images from: as the nodes do, by the mirrors of the cluster file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from picluster.errors import StepFailed
from picluster.model import Cluster
from picluster.model.mirrors import Mirror
from picluster.steps.image_reference import Reference
from picluster.steps.images.distribution import PullPlace, default_source
from picluster.steps.registry.credentials import Credentials

_GROUP = re.compile(r"\$(?:\{(\d+)\}|(\d+))")


def sources_of(
    cluster: Cluster, logins: Mapping[str, Credentials], image: Reference
) -> tuple[tuple[PullPlace, Reference], ...]:
    """Return where to try an image, in order, and what it is called there."""
    mirror = _mirror(cluster, image.host)
    there = _renamed(mirror, image) if mirror else image
    found = [(url, there) for url in (mirror.endpoints if mirror else ())]
    found.append((default_source(image.host), image))
    return tuple((_source(cluster, logins, url), name) for url, name in found)


def _mirror(cluster: Cluster, host: str) -> Mirror | None:
    by_name = {each.registry: each for each in cluster.k3s.mirrors}
    return by_name.get(host) or by_name.get("*")


def _renamed(mirror: Mirror, image: Reference) -> Reference:
    """Rewrite the name as containerd does: the first pattern that matches counts."""
    for pattern, into in mirror.rewrites.items():
        # Go's replacements know no backslash: it stands for itself.
        plain = into.replace("\\", r"\\")
        try:
            written = _GROUP.sub(lambda group: f"\\g<{group[1] or group[2]}>", plain)
            if re.search(pattern, image.repository):
                return replace(image, repository=re.sub(pattern, written, image.repository))
        except (re.error, IndexError) as error:
            raise StepFailed(
                f"{image.full} cannot be rewritten by the pattern {pattern}",
                why=str(error),
                fix="see k3s.mirrors.rewrites in the cluster file",
            ) from None
    return image


def _source(cluster: Cluster, logins: Mapping[str, Credentials], url: str) -> PullPlace:
    host = url.partition("://")[2].partition("/")[0]
    asked = "docker.io" if host == "registry-1.docker.io" else host
    access = next(
        (each for each in cluster.k3s.registry_access if each.host in (host, asked)), None
    )
    return PullPlace(
        url,
        logins.get(host) or logins.get(asked),
        access.ca.read_text("utf-8", "replace") if access and access.ca else "",
        verify=not (access and access.skip_verify),
    )
