"""Which volume's data is on which node, and what of it no other node has."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.kube.cluster_objects import (
    HOSTNAME,
    at_host,
    local_path,
    longhorn_volume,
    node,
    persistent,
    pod,
    replica,
)

from picluster.kube.volumes import Stored, Volume, read_stored, stored_in

NODES = [node("pi1"), node("pi2"), node("pi3")]


def stored(
    *volumes: dict[str, Any],
    pods: list[dict[str, Any]] | None = None,
    replicas: list[dict[str, Any]] | None = None,
    nodes: Any = NODES,
) -> Stored:
    return stored_in(nodes, volumes, pods or [], replicas or [])


def only(found: Stored, host: str) -> Volume:
    (volume,) = found.only_on(host)
    return volume


def test_a_volume_of_local_path_is_on_the_node_that_its_affinity_names() -> None:
    found = stored(
        local_path("tak/data-postgres-0", "pi2"),
        pods=[pod("tak/postgres-0", "pi2", claim="data-postgres-0")],
    )
    volume = only(found, "pi2")
    assert volume.name == "tak/data-postgres-0"
    assert volume.claim == ("tak", "data-postgres-0")
    assert (volume.size, volume.kind, volume.bound) == ("5Gi", "local", True)
    assert volume.path == "/var/lib/rancher/k3s/storage/pvc-1_tak_data-postgres-0"
    assert [str(each) for each in volume.applications] == ["StatefulSet tak/postgres"]
    assert found.only_on("pi1") == ()


@pytest.mark.parametrize(
    ("owner", "said"),
    [("", "Pod tak/ots-x1"), ("ReplicaSet", "Deployment tak/ots"), ("Job", "Job tak/ots")],
)
def test_every_pod_is_somebodys(owner: str, said: str) -> None:
    pods = [pod("tak/ots-x1", claim="files", owner=owner)]
    (application,) = only(stored(local_path("tak/files", "pi1"), pods=pods), "pi1").applications
    assert str(application) == said


def test_a_replica_set_of_nobodys_keeps_its_name() -> None:
    mine = pod("own/web-x1", claim="files", owner="ReplicaSet")
    mine["metadata"]["labels"] = {}
    (application,) = only(stored(local_path("own/files", "pi1"), pods=[mine]), "pi1").applications
    assert str(application) == "ReplicaSet own/web-7d9f"


def test_one_pod_of_several_is_told_as_such() -> None:
    pods = [pod("own/db-0", "pi1", claim="data-db-0"), pod("own/db-1", "pi2", claim="data-db-1")]
    found = stored(local_path("own/data-db-0", "pi1"), pods=pods)
    (application,) = only(found, "pi1").applications
    assert str(application) == "1 of 2 pods of StatefulSet own/db"


@pytest.mark.parametrize(
    "affinity",
    [
        at_host("pi1"),
        {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "room", "operator": "In", "values": ["attic"]},
            {"key": "disk", "operator": "Exists"},
            {"key": "retired", "operator": "DoesNotExist"},
            {"key": "bays", "operator": "Gt", "values": ["1"]},
            {"key": "watts", "operator": "Lt", "values": ["15"]},
            {"key": "room", "operator": "NotIn", "values": ["garage"]},
        ]}]}},
        {"required": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["pi1"]}]},
            {"matchExpressions": [{"key": "room", "operator": "Unheard", "values": ["x"]}]},
        ]}},
    ],
    ids=["by host", "by labels", "by name"],
)  # fmt: skip
def test_every_volume_that_only_one_node_may_mount_is_tied_to_it(affinity: dict[str, Any]) -> None:
    nodes = [
        node("pi1", room="attic", disk="usb", bays="2", watts="5"),
        node("pi2", room="attic", disk="usb", bays="1", watts="5"),
        node("pi3", room="attic", disk="usb", bays="2", watts="5", retired="yes"),
        node("pi4", room="attic", disk="usb", bays="2", watts="15"),
        node("pi5", room="attic", disk="usb", bays="many", watts="5"),
    ]
    for source in (
        {"local": {"path": "/mnt/usb"}},
        {"csi": {"driver": "lvm", "volumeHandle": "v"}},
    ):
        volume = persistent("disk", "own/photos", nodeAffinity=affinity, **source)
        assert only(stored(volume, nodes=nodes), "pi1").name == "own/photos"


def test_a_volume_that_several_nodes_may_mount_or_that_is_on_none_is_tied_to_none() -> None:
    shared = persistent("zone", "own/a", nodeAffinity=at_host("pi1", "pi2"), local={"path": "/x"})
    nas = persistent("nas", "own/b", nfs={"server": "10.0.0.9", "path": "/share"})
    found = stored(shared, nas)
    assert [volume.name for volume in found.volumes] == ["own/a"]
    assert not any(found.only_on(each.name) for each in NODES)


def test_a_volume_of_a_node_that_is_gone_still_belongs_to_its_name() -> None:
    assert only(stored(local_path("tak/data", "pi9")), "pi9").name == "tak/data"


@pytest.mark.parametrize(
    "one",
    [
        {"key": "room", "operator": "In", "values": ["pi9"]},
        {"key": HOSTNAME, "operator": "NotIn", "values": ["pi1", "pi2", "pi3"]},
    ],
)
def test_a_value_is_a_node_that_is_gone_only_where_it_is_a_hosts_name(one: dict[str, Any]) -> None:
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [one]}]}}
    (volume,) = stored(persistent("v", nodeAffinity=affinity, local={"path": "/x"})).volumes
    assert volume.nodes == frozenset()


def test_a_directory_of_the_host_without_an_affinity_is_where_its_pod_runs() -> None:
    volume = persistent("mine", "own/photos", hostPath={"path": "/srv/photos"})
    assert stored(volume).only_on("pi1") == ()
    found = only(stored(volume, pods=[pod("own/web-0", "pi3", claim="photos")]), "pi3")
    assert not found.bound, "its pods start elsewhere, without their data"


def test_a_volume_that_nobody_has_claimed_has_its_own_name() -> None:
    volume = only(
        stored(persistent("usb", local={"path": "/x"}, nodeAffinity=at_host("pi1"))), "pi1"
    )
    assert (volume.name, volume.claim, volume.applications) == ("usb", None, ())


def test_what_was_released_counts_if_it_is_retained_and_not_if_it_is_being_deleted() -> None:
    kept = local_path("own/old", "pi1", persistentVolumeReclaimPolicy="Retain")
    going = local_path("own/older", "pi1")
    for each in (kept, going):
        each["status"]["phase"] = "Released"
    volume = only(stored(kept, going), "pi1")
    assert (volume.name, volume.claim, volume.persistent_volume) == ("own/old", None, "pvc-old")


# ------------------------------------------------------------------ Longhorn


def test_longhorns_last_good_copy_is_tied_to_its_node() -> None:
    replicas = [
        replica("vol", "pi1"),
        replica("vol", "pi2", failedAt="2026-11-02T00:00:00Z"),
        replica("vol", "pi3", healthyAt=""),
    ]
    found = stored(longhorn_volume("own/photos", "vol"), replicas=replicas)
    volume = only(found, "pi1")
    assert (volume.name, volume.kind, volume.size) == ("own/photos", "Longhorn", "5Gi")
    assert found.only_on("pi2") == found.only_on("pi3") == ()


def test_a_volume_of_another_driver_is_none_of_longhorns() -> None:
    csi = {"driver": "nfs.csi.k8s.io", "volumeHandle": "vol"}
    found = stored(persistent("nas", "own/nas", csi=csi), replicas=[replica("vol", "pi1")])
    assert [volume.name for volume in found.volumes] == ["longhorn-system/vol"]


def test_a_second_good_copy_frees_a_node_and_not_if_its_own_node_is_down() -> None:
    replicas = [replica("vol", "pi1"), replica("vol", "pi2")]
    volume = longhorn_volume("own/photos", "vol")
    assert stored(volume, replicas=replicas).only_on("pi1") == ()
    nodes = [node("pi1"), node("pi2", ready=False)]
    found = stored(volume, replicas=replicas, nodes=nodes)
    assert only(found, "pi1").name == "own/photos"
    assert found.only_on("pi2") == (), "pi1 has a copy that can be used"


def test_where_all_copies_have_failed_those_that_were_good_once_count() -> None:
    failed = {"failedAt": "2026-11-02T00:00:00Z"}
    replicas = [replica("vol", "pi1", **failed), replica("vol", "pi2", healthyAt="", **failed)]
    assert only(stored(longhorn_volume("own/p", "vol"), replicas=replicas), "pi1")


def test_a_volume_of_longhorns_that_nobody_claims_has_its_own_name() -> None:
    volume = only(stored(replicas=[replica("restored", "pi1")]), "pi1")
    assert (str(volume), volume.claim) == ("longhorn-system/restored (5Gi, Longhorn)", None)
    assert volume.bound


# ------------------------------------------------------------------ directories of the host


def test_what_an_application_writes_to_its_host_is_named_with_its_path() -> None:
    source = {"path": "/srv/photos", "type": "DirectoryOrCreate"}
    volume = only(stored(pods=[pod("own/web-x1", owner="ReplicaSet", host_path=source)]), "pi1")
    assert str(volume) == "own/web:/srv/photos (host path)"
    assert not volume.bound


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ({"path": "/var/lib/kubelet/plugins/driver.longhorn.io"}, {}),
        ({"path": "/"}, {}),
        ({"path": "/etc/localtime"}, {}),
        ({"path": "/var/log/pods"}, {}),
        ({"path": "/run/x.sock", "type": "Socket"}, {}),
        ({"path": "/srv/photos"}, {"read_only": True}),
        ({"path": "/srv/photos"}, {"owner": "DaemonSet"}),
        ({"path": "/srv/photos"}, {"owner": "InstanceManager"}),
        ({"path": "/srv/photos"}, {"annotations": {"kubernetes.io/config.mirror": "x"}}),
        ({"path": "/srv/photos"}, {"deletionTimestamp": "2026-11-02T00:00:00Z"}),
    ],
)
def test_what_belongs_to_the_host_itself_is_nobodys_data(
    source: dict[str, Any], options: dict[str, Any]
) -> None:
    assert stored(pods=[pod("own/web-0", host_path=source, **options)]).volumes == ()


# ------------------------------------------------------------------ the reading


def test_one_reading_asks_few_questions_and_does_without_longhorn() -> None:
    api = ApiInMemory("pi1", "pi2")
    volume = local_path("default/data", "pi2")
    api.create("/api/v1/persistentvolumes", "v1", "PersistentVolume", "v", spec=volume["spec"])
    api.sent.clear()
    assert only(read_stored(api), "pi2").name == "default/data"
    assert len(api.sent) == 5
    assert api.writes == []
