"""Storage, applications and Rancher in the cluster file: what is taken, and what is refused."""

from __future__ import annotations

import pytest

from picluster.model import parse
from picluster.model.rancher import newest_kubernetes

DISK = "/dev/disk/by-id/ata-Disk_1"
DATA = "node.longhorn.io/create-default-disk"


def text(*nodes: str, more: str = "") -> str:
    lines = ["name: many", "nodes:"]
    for number, extra in enumerate(nodes, start=1):
        role = "agent" if number > 1 else "server"
        inside = f"name: pi{number}, address: 10.0.0.{number}, role: {role}"
        lines.append(f"  - {{{inside}{', ' if extra else ''}{extra}}}")
    return "\n".join(lines) + "\n" + more


@pytest.mark.parametrize(
    ("nodes", "more", "copies"),
    [
        ([""], "longhorn: {}\n", 1),
        (["", ""], "longhorn: {}\n", 2),
        (["", "", "", ""], "longhorn: {}\n", 3),
        (["taints: ['a=b:NoSchedule']", "", ""], "longhorn: {}\n", 2),
        (["taints: ['a=b:PreferNoSchedule']", "", ""], "longhorn: {}\n", 3),
        (["", "", ""], "longhorn: {replicas: 2}\n", 2),
        (
            ["", f"labels: {{{DATA}: 'true'}}", f"labels: {{{DATA}: 'false'}}"],
            "longhorn: {only_labelled: true}\n",
            1,
        ),
    ],
)
def test_there_are_three_copies_of_a_volume_or_as_many_as_nodes(nodes, more, copies):
    assert parse(text(*nodes, more=more)).cluster.replicas == copies


@pytest.mark.parametrize(
    ("nodes", "more", "path", "what"),
    [
        (["", ""], "longhorn: {replicas: 3}\n", "longhorn.replicas", "more copies than"),
        (["", ""], "longhorn: {only_labelled: true}\n", "longhorn.only_labelled", "no node"),
        ([f"disks: [{{device: {DISK}}}]"], "", "nodes[0].disks", "which the cluster does not have"),
        (
            [f"disks: [{{device: {DISK}}}, {{device: {DISK}2}}]"],
            "longhorn: {}\n",
            "nodes[0].disks",
            "more than one disk",
        ),
    ],
)
def test_storage_that_cannot_be_is_refused(refusals, nodes, more, path, what):
    (problem,) = refusals(text(*nodes, more=more))
    assert problem.path == path
    assert what in problem.what


@pytest.mark.parametrize("device", ["/dev/sda", "/dev/mmcblk0p2", "sda", "/dev/disk/by-id/a b"])
def test_a_disk_is_named_by_what_stays_with_it(refusals, device):
    (problem,) = refusals(text(f"disks: [{{device: {device}}}]", more="longhorn: {}\n"))
    assert problem.path == "nodes[0].disks[0].device"
    assert "by-id" in problem.fix


@pytest.mark.parametrize(("written", "bytes_"), [("100G", 10**11), ("1T", 10**12)])
def test_a_disks_size_is_written_as_disks_are_sold(written, bytes_):
    disk = f"disks: [{{device: {DISK}, minimum_size: {written}}}]"
    loaded = parse(text(disk, more="longhorn: {}\n"))
    assert loaded.cluster.nodes[0].disks[0].minimum_size == bytes_


SYSTEM = ["/usr/lib", "/home/pi", "/var/log", "/var/lib", "/var/lib/dpkg", "/media/pi"]


@pytest.mark.parametrize(
    "path", ["/", "/var", "/etc/longhorn", "/boot/x", "var/lib/x", "/a/../b", *SYSTEM]
)
def test_longhorn_gets_a_directory_of_its_own(refusal, path):
    assert refusal(f"longhorn: {{data_path: '{path}'}}\n").path == "longhorn.data_path"


def test_two_things_cannot_have_one_node_port(refusals):
    (problem,) = refusals(
        text("", more="longhorn: {ui_port: 30443}\nrancher: {hostname: rancher.lan}\n")
    )
    assert problem.path == "rancher.port"
    assert "longhorn.ui_port" in problem.what


@pytest.mark.parametrize(
    ("release", "newest"),
    [("2.8.5", 29), ("2.10.0", 31), ("2.12.3", 33), ("2.13.1", 34), ("2.99.0", None)],
)
def test_rancher_names_the_newest_kubernetes_it_knows(release, newest):
    assert newest_kubernetes(release) == newest


@pytest.mark.parametrize(
    ("k3s", "rancher", "fits"),
    [
        ("v1.33.5+k3s1", "2.12.3", True),
        ("v1.34.1+k3s1", "2.12.3", False),
        ("v1.34.1+k3s1", "2.13.0", True),
        ("v1.30.2+k3s1", "2.12.3", True),
        ("v1.40.0+k3s1", "3.0.0", True),
    ],
)
def test_rancher_has_to_know_the_clusters_kubernetes(refusals, k3s, rancher, fits):
    more = f"k3s: {{version: {k3s}}}\nrancher: {{hostname: r.lan, version: {rancher}}}\n"
    if fits:
        assert parse(text("", more=more)).cluster.rancher
    else:
        (problem,) = refusals(text("", more=more))
        assert problem.path == "rancher.version"
        assert "does not run on Kubernetes 1.34" in problem.what


@pytest.mark.parametrize(
    ("apps", "path", "what"),
    [
        ("- {name: a}", "apps[0].name", "either a path or a url"),
        ("- {name: a, path: ., url: 'https://a.example/b'}", "apps[0].name", "either a path"),
        ("- {name: a, path: .}\n- {name: a, path: .}", "apps[1].name", "already the name of"),
        ("- {name: longhorn, path: .}", "apps[0].name", "a part of its own"),
    ],
)
def test_an_app_is_whole_and_has_a_name_of_its_own(refusals, apps, path, what):
    (problem,) = refusals(text("", more=f"apps:\n{apps}\n"))
    assert problem.path == path
    assert what in problem.what
