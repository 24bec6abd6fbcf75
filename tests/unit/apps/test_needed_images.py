"""Every image that a cluster file leads to, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from picluster.apps.image_lists import dockerfile_of
from picluster.apps.needed_images import (
    Lists,
    Use,
    WantedImage,
    built_images,
    images_of,
    needed_images,
)
from picluster.model import Cluster, parse
from picluster.steps.image_reference import Reference, read_reference

BOTH = ("arm64", "amd64")
BASE = """\
name: home
nodes:
  - {name: pi1, address: 10.0.0.1, role: server}
  - {name: pi2, address: 10.0.0.2, role: agent}
"""

LONGHORN = """\
kind: DaemonSet
spec:
  template:
    spec:
      initContainers: [{name: wait, image: "longhornio/longhorn-manager:v9"}]
      containers:
        - name: manager
          image: longhornio/longhorn-manager:v9
          command: [longhorn-manager, -d, daemon, --engine-image, "longhornio/engine:v9",
            --instance-manager-image, "longhornio/instance:v9", --service-account, longhorn]
          env:
            - {name: POD_NAME, valueFrom: {}}
            - {name: CSI_ATTACHER_IMAGE, value: "longhornio/csi:4"}
"""


def cluster_of(more: str = "") -> Cluster:
    return parse(BASE + more).cluster


def pod(image: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "a", "image": image}]}
    return {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}


def test_a_plain_cluster_needs_what_its_k3s_lists() -> None:
    cluster = cluster_of("k3s: {version: v1.36.3+k3s1}")
    lists = Lists(k3s=("docker.io/rancher/mirrored-pause:3.6",))
    assert needed_images(cluster, lists, BOTH) == (
        WantedImage("docker.io/rancher/mirrored-pause:3.6", "K3s v1.36.3+k3s1", BOTH, Use.K3S),
    )


def test_kube_vip_is_for_servers_and_the_registry_for_docker_of_one_processor() -> None:
    cluster = cluster_of(
        "k3s: {vip: {address: 10.0.0.9, image: 'ghcr.io/kube-vip/kube-vip:v1.2.3'}}\n"
        "registry: {node: pi2}\n"
    )
    assert needed_images(cluster, Lists(), BOTH) == (
        WantedImage("ghcr.io/kube-vip/kube-vip:v1.2.3", "kube-vip", BOTH, Use.SERVERS),
        WantedImage("registry:2", "registry", ("arm64",), Use.DOCKER),
    )


def test_longhorns_are_those_that_its_manifest_names_and_starts() -> None:
    cluster = cluster_of("longhorn: {version: v1.12.1}")
    lists = Lists(longhorn=(yaml.safe_load(LONGHORN),))
    names = ["longhorn-manager:v9", "engine:v9", "instance:v9", "csi:4"]
    assert needed_images(cluster, lists, ("arm64",)) == tuple(
        WantedImage(f"longhornio/{name}", "Longhorn v1.12.1", ("arm64",), Use.NODES)
        for name in names
    )


def test_rancher_needs_few_of_the_hundreds_that_its_release_lists() -> None:
    cluster = cluster_of(
        "rancher: {hostname: r.example.org, version: 2.15.1, cert_manager_version: v1.21.1}"
    )
    listed = ("rancher/rancher:v2.15.1", "rancher/rke2-runtime:v1", "rancher/shell:v0.6.1")
    parts = ("controller", "webhook", "cainjector", "startupapicheck")
    assert needed_images(cluster, Lists(rancher=listed), ("arm64",)) == (
        *(
            WantedImage(
                f"quay.io/jetstack/cert-manager-{part}:v1.21.1",
                "cert-manager v1.21.1",
                ("arm64",),
                Use.NODES,
            )
            for part in parts
        ),
        WantedImage("rancher/rancher:v2.15.1", "Rancher 2.15.1", ("arm64",), Use.NODES),
        WantedImage("rancher/shell:v0.6.1", "Rancher 2.15.1", ("arm64",), Use.NODES),
    )


def test_opentakserver_needs_what_is_built_and_what_that_is_built_on() -> None:
    cluster = cluster_of(
        "registry: {node: pi2}\nopentakserver: {version: 1.7.13, ui: {version: v1.7.5}}\n"
    )
    lists = Lists(
        dockerfiles={
            each.reference: dockerfile_of(cluster, each) or "" for each in built_images(cluster)
        }
    )
    server, ui = "picluster/opentakserver:1.7.13", "picluster/opentakserver-ui:v1.7.5"
    one = ("arm64",)
    assert needed_images(cluster, lists, BOTH)[1:] == (
        WantedImage(server, "built", one, Use.BUILT),
        WantedImage("python:3.11-slim-bookworm", f"{server} is built on it", one, Use.DOCKER),
        WantedImage(ui, "built", one, Use.BUILT),
        WantedImage("nginx:1.28-alpine", f"{ui} is built on it", one, Use.DOCKER),
        WantedImage("postgres:17-bookworm", "OpenTAKServer's database", BOTH, Use.NODES),
        WantedImage("rabbitmq:3.13", "OpenTAKServer's broker", BOTH, Use.NODES),
    )


def test_an_apps_images_but_those_of_the_clusters_own_registry() -> None:
    cluster = cluster_of(
        "registry: {node: pi2}\napps: [{name: web, path: web}, {name: map, path: map}]\n"
    )
    lists = Lists(
        apps={"web": [pod("nginx:1"), pod("pi2:5000/tak/map:1")], "map": [pod("nginx:1")]}
    )
    assert needed_images(cluster, lists, BOTH)[1:] == (
        WantedImage("nginx:1", "app web, app map", BOTH, Use.NODES),
    )


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {"containers": "none"},
        {"containers": [None, {}]},
        {"containers": [{"args": 5, "command": {"a": 1}, "env": 7}]},
    ],
)
def test_a_manifest_without_images_has_none(odd: Any) -> None:
    assert images_of([{"spec": odd}]) == ()


@pytest.mark.parametrize(
    ("name", "wanted", "short"),
    [
        ("registry:2", Reference("docker.io", "library/registry", "2"), "registry:2"),
        ("a/b", Reference("docker.io", "a/b", "latest"), "a/b:latest"),
        ("docker.io/library/x:1", Reference("docker.io", "library/x", "1"), "x:1"),
        ("ghcr.io/a/b:v1", Reference("ghcr.io", "a/b", "v1"), "ghcr.io/a/b:v1"),
        ("pi2:5000/x:1", Reference("pi2:5000", "x", "1"), "pi2:5000/x:1"),
        ("x@sha256:ab", Reference("docker.io", "library/x", "", "sha256:ab"), "x@sha256:ab"),
    ],
)
def test_an_image_is_known_by_its_name_in_full(name: str, wanted: Reference, short: str) -> None:
    found = read_reference(name)
    assert (found, found.short) == (wanted, short)
    assert read_reference(wanted.full) == wanted, "the full name means the same"
    assert Path(found.file).name == found.file, "it is the name of one file"


def test_no_two_images_have_one_archive() -> None:
    alike = ("a_b/c:1", "a/b_c:1", "r.example.org:5000/a:1", "r.example.org/5000/a:1", "a/b/c:1")
    assert len({read_reference(name).file for name in alike}) == len(alike)
    assert read_reference("a/b/c:1").file == "docker.io_a_b_c_1.tar", "nothing else is called so"


@pytest.mark.parametrize("name", ["a/" * 120 + "b:1", "x:" + "t" * 300, "é" * 200, "\ud800\n/\0:1"])
def test_whatever_an_image_is_called_its_archive_can_be(name: str, tmp_path: Path) -> None:
    file = read_reference(name).file
    (tmp_path / f"picluster-{file}-0123456789ab.tar.0123456789abcdef.part").touch()
    assert file != read_reference(f"{name}0").file
