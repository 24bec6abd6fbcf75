"""Every image that a cluster file leads to, with the reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

from picluster.apps.opentakserver.built_in import PLAIN_DATABASE, built_in
from picluster.kube.api import Object
from picluster.model import Cluster
from picluster.model.images import BuiltImage
from picluster.model.releases import KNOWN
from picluster.steps.image_reference import read_reference
from picluster.steps.images.dockerfile import bases


class Use(Enum):
    """Who has to have an image."""

    K3S = "every node, out of K3s's own archive"
    SERVERS = "every server"
    NODES = "every node"
    DOCKER = "Docker, on the node of the registry or the builder"
    BUILT = "the cluster's registry; it is built"


@dataclass(frozen=True, slots=True)
class WantedImage:
    """One image: why it is needed, for which platforms, and by whom."""

    image: str
    why: str
    platforms: tuple[str, ...]
    use: Use


@dataclass(frozen=True, slots=True)
class Lists:
    """What does not stand in the cluster file: what releases and applications consist of.

    `longhorn` is its manifest; `apps` are the manifests of the user's applications, by name;
    `dockerfiles` are those of images that are built, by reference.
    """

    k3s: tuple[str, ...] = ()
    longhorn: tuple[Object, ...] = ()
    rancher: tuple[str, ...] = ()
    apps: Mapping[str, Sequence[Object]] = field(default_factory=dict)
    dockerfiles: Mapping[str, str] = field(default_factory=dict)


def needed_images(
    cluster: Cluster, lists: Lists, platforms: tuple[str, ...]
) -> tuple[WantedImage, ...]:
    """Return them in the order in which `up` needs them, each once a use, with all reasons.

    Docker's are for the first platform: that of the registry's node and the builder.
    """
    reasons: dict[tuple[str, Use], list[str]] = {}
    for image, why, use in _every(cluster, lists):
        told = reasons.setdefault((image, use), [])
        if why not in told:
            told.append(why)
    return tuple(
        WantedImage(
            image,
            ", ".join(whys),
            platforms[:1] if use in (Use.DOCKER, Use.BUILT) else platforms,
            use,
        )
        for (image, use), whys in reasons.items()
    )


_Each = tuple[str, str, Use]


def _every(cluster: Cluster, lists: Lists) -> Iterator[_Each]:
    yield from ((image, f"K3s {cluster.k3s.version}", Use.K3S) for image in lists.k3s)
    if cluster.k3s.vip is not None:
        yield cluster.k3s.vip.image, "kube-vip", Use.SERVERS
    if cluster.registry is not None:
        yield cluster.registry.image, "registry", Use.DOCKER
    if cluster.longhorn is not None:
        why = f"Longhorn {cluster.longhorn.version}"
        yield from ((image, why, Use.NODES) for image in images_of(lists.longhorn))
    yield from _rancher(cluster, lists)
    yield from _built(cluster, lists)
    yield from _opentakserver(cluster)
    own = (*cluster.registry_endpoints,)
    for name, objects in lists.apps.items():
        for image in images_of(objects):
            if not image.startswith(tuple(f"{host}/" for host in own)):
                yield image, f"app {name}", Use.NODES


def _rancher(cluster: Cluster, lists: Lists) -> Iterator[_Each]:
    settings = cluster.rancher
    if settings is None:
        return
    for name in KNOWN.images_of_cert_manager:
        release = settings.cert_manager_version
        yield f"{name}:{release}", f"cert-manager {release}", Use.NODES
    for image in lists.rancher:
        if read_reference(image).repository in KNOWN.images_of_rancher:
            yield image, f"Rancher {settings.version}", Use.NODES


def built_images(cluster: Cluster) -> tuple[BuiltImage, ...]:
    """Return what is built for the cluster: picluster's own images, then the user's."""
    own = built_in(cluster, Path())
    ours = (own.server, own.database, own.ui) if own else ()
    return (*(each for each in ours if each is not None), *cluster.images.build)


def _built(cluster: Cluster, lists: Lists) -> Iterator[_Each]:
    for image in built_images(cluster):
        yield image.reference, "built", Use.BUILT
        text = lists.dockerfiles.get(image.reference, "")
        for base in bases(text, image.args):
            yield base, f"{image.reference} is built on it", Use.DOCKER


def _opentakserver(cluster: Cluster) -> Iterator[_Each]:
    ots, own = cluster.opentakserver, built_in(cluster, Path())
    if ots is None or own is None:
        return
    if own.database is None:
        yield ots.database_image or PLAIN_DATABASE, "OpenTAKServer's database", Use.NODES
    yield ots.broker_image, "OpenTAKServer's broker", Use.NODES


# ------------------------------------------------------------------ in manifests

_CONTAINERS = ("initContainers", "containers")


def images_of(objects: Sequence[Object]) -> tuple[str, ...]:
    """Return the images that manifests name, each once.

    Those of containers; and those that a container is told to start others with, as Longhorn's
    manager and driver deployer are: by options such as `--engine-image`, and by variables such as
    `CSI_ATTACHER_IMAGE` (its manifest, https://github.com/longhorn/longhorn/tree/master/deploy).
    """
    found = (image for each in objects for image in _in(each))
    return tuple(dict.fromkeys(image for image in found if image))


def _in(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in _CONTAINERS and isinstance(value, list):
                for container in value:
                    yield from _of_container(container)
            else:
                yield from _in(value)
    elif isinstance(node, list):
        for value in node:
            yield from _in(value)


def _of_container(container: Any) -> Iterator[str]:
    if not isinstance(container, Mapping):
        return
    yield str(container.get("image") or "")
    words = [str(word) for key in ("command", "args") for word in _list(container.get(key))]
    for option, value in pairwise(words):
        if option.startswith("--") and option.endswith("-image"):
            yield value
    for variable in _list(container.get("env")):
        if isinstance(variable, Mapping) and str(variable.get("name", "")).endswith("_IMAGE"):
            yield str(variable.get("value") or "")


def _list(found: Any) -> list[Any]:
    """Return a list of a manifest; what is none is for the API server to refuse."""
    return found if isinstance(found, list) else []
