"""The stand-in's pods: where they are placed, what binds their claims, and how they end."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.k3s.lifetime import IGNORES_SIGTERM
from tests.doubles.k3s.troubles import NO_ROOM, TROUBLE

from picluster.kube.errors import NotFound

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
PODS = "/api/v1/namespaces/default/pods"
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


@pytest.fixture
def api() -> ApiInMemory:
    made = ApiInMemory("pi1", "pi2", "pi3")
    made.create(
        CLASSES,
        "storage.k8s.io/v1",
        "StorageClass",
        "local-path",
        provisioner="rancher.io/local-path",
        volumeBindingMode="WaitForFirstConsumer",
    )
    return made


def template(**notes: str) -> dict[str, Any]:
    containers = [{"name": "db", "image": "db:1"}]
    return {
        "metadata": {"labels": {"app": "db"}, "annotations": notes},
        "spec": {"containers": containers},
    }


def database(api: ApiInMemory, **notes: str) -> None:
    """A StatefulSet of one pod, with a claim of local-path's."""
    claim = {"storageClassName": "local-path", "resources": {"requests": {"storage": "5Gi"}}}
    spec = {
        "selector": {"matchLabels": {"app": "db"}},
        "template": template(**notes),
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    api.create(SETS, "apps/v1", "StatefulSet", "db", spec=spec)


def web(api: ApiInMemory, **notes: str) -> None:
    spec = {"selector": {"matchLabels": {"app": "db"}}, "template": template(**notes)}
    api.create(DEPLOYMENTS, "apps/v1", "Deployment", "web", spec=spec)


def cordon(api: ApiInMemory, node: str, *, on: bool = True) -> None:
    api.edit(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": on or None}})


def evict(api: ApiInMemory, pod: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    api.call("POST", f"{PODS}/{pod}/eviction", body=body)


def only_volume(api: ApiInMemory) -> dict[str, Any]:
    (volume,) = api.get("/api/v1/persistentvolumes")["items"]
    return volume


def why_pending(api: ApiInMemory, pod: str) -> str:
    status = api.get(f"{PODS}/{pod}")["status"]
    assert status["phase"] == "Pending", status
    (condition,) = status["conditions"]
    events = [each["message"] for each in api.get("/api/v1/namespaces/default/events")["items"]]
    assert condition["message"] in events, "the scheduler says it in an event too"
    return str(condition["message"])


def test_a_claim_is_bound_where_its_first_pod_is_placed(api: ApiInMemory) -> None:
    cordon(api, "pi1")
    database(api)
    assert api.get(f"{PODS}/db-0")["spec"]["nodeName"] == "pi2"
    claim, volume = api.get(f"{CLAIMS}/data-db-0"), only_volume(api)
    assert claim["status"]["phase"] == "Bound"
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["pi2"]}
    assert term["matchExpressions"] == [wanted]
    assert volume["spec"]["capacity"] == {"storage": "5Gi"}
    assert volume["spec"]["hostPath"]["path"].endswith("_default_data-db-0")


def test_a_claim_without_a_pod_waits(api: ApiInMemory) -> None:
    api.create(
        CLAIMS, "v1", "PersistentVolumeClaim", "idle", spec={"storageClassName": "local-path"}
    )
    assert api.get(f"{CLAIMS}/idle")["status"]["phase"] == "Pending"
    assert api.get("/api/v1/persistentvolumes")["items"] == []


def test_an_evicted_pod_takes_time_and_its_successor_fits_no_other_node(
    api: ApiInMemory,
) -> None:
    database(api)
    first = api.get(f"{PODS}/db-0")["metadata"]["uid"]
    cordon(api, "pi1")
    evict(api, "db-0")
    leaving = api.get(f"{PODS}/db-0")["metadata"]
    assert (leaving["uid"], leaving["deletionGracePeriodSeconds"]) == (first, 30)
    api.slept += 3
    assert why_pending(api, "db-0") == (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match "
        "PersistentVolume's node affinity. preemption: 0/3 nodes are available: 3 Preemption is "
        "not helpful for scheduling."
    )
    assert api.get(f"{SETS}/db")["status"]["readyReplicas"] == 0
    cordon(api, "pi1", on=False)
    assert api.get(f"{PODS}/db-0")["spec"]["nodeName"] == "pi1"
    assert api.get(f"{SETS}/db")["status"]["readyReplicas"] == 1


def test_a_program_that_ignores_sigterm_takes_its_whole_grace_period(
    api: ApiInMemory,
) -> None:
    database(api, **{IGNORES_SIGTERM: "yes"})
    cordon(api, "pi1")
    evict(api, "db-0")
    api.slept += 28
    assert "deletionTimestamp" in api.get(f"{PODS}/db-0")["metadata"]
    api.slept += 4
    assert why_pending(api, "db-0")


def test_a_pod_without_a_volume_starts_elsewhere_before_the_former_one_has_ended(
    api: ApiInMemory,
) -> None:
    web(api)
    (before,) = api.get(PODS)["items"]
    cordon(api, before["spec"]["nodeName"])
    evict(api, before["metadata"]["name"])
    nodes = {pod["spec"]["nodeName"] for pod in api.get(PODS)["items"]}
    assert nodes == {"pi1", "pi2"}
    api.slept += 3
    assert [pod["spec"]["nodeName"] for pod in api.get(PODS)["items"]] == ["pi2"]


def test_pods_of_a_node_that_is_gone_are_collected_and_wait_for_their_volume(
    api: ApiInMemory,
) -> None:
    database(api)
    api.call("DELETE", "/api/v1/nodes/pi1")
    assert why_pending(api, "db-0").startswith(
        "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity."
    )
    assert api.get(f"{CLAIMS}/data-db-0")["status"]["phase"] == "Bound", "and for ever"


def test_a_claim_goes_when_no_placed_pod_uses_it_and_its_volume_goes_with_it(
    api: ApiInMemory,
) -> None:
    database(api)
    api.call("DELETE", f"{CLAIMS}/data-db-0")
    claim = api.get(f"{CLAIMS}/data-db-0")
    assert "deletionTimestamp" in claim["metadata"], "its pod uses it"
    api.call("DELETE", "/api/v1/nodes/pi1")
    again = api.get(f"{CLAIMS}/data-db-0")
    assert again["metadata"]["uid"] != claim["metadata"]["uid"], "the StatefulSet made it anew"
    assert api.get(f"{PODS}/db-0")["spec"]["nodeName"] == "pi2"
    assert only_volume(api)["spec"]["claimRef"]["uid"] == again["metadata"]["uid"]


def down(api: ApiInMemory, node: str) -> None:
    ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}
    api.edit(f"/api/v1/nodes/{node}/status", {"status": {"conditions": [ready]}})
    api.edit(f"/api/v1/nodes/{node}", {"spec": {"taints": [taint]}})


def test_a_node_that_is_down_ends_no_pod_and_cleans_no_volume(
    api: ApiInMemory,
) -> None:
    database(api)
    down(api, "pi1")
    assert api.get(f"{SETS}/db")["status"]["readyReplicas"] == 0
    evict(api, "db-0")
    api.slept += 600
    assert "deletionTimestamp" in api.get(f"{PODS}/db-0")["metadata"]
    api.call("DELETE", f"{PODS}/db-0", body={"gracePeriodSeconds": 0})
    api.call("DELETE", f"{CLAIMS}/data-db-0")
    volumes = api.get("/api/v1/persistentvolumes")["items"]
    assert sorted(each["status"]["phase"] for each in volumes) == ["Bound", "Released"]


def test_a_pod_of_an_old_template_that_never_was_ready_is_not_replaced(api: ApiInMemory) -> None:
    for node in ("pi1", "pi2", "pi3"):
        cordon(api, node)
    database(api)
    stuck = api.get(f"{PODS}/db-0")["metadata"]["uid"]
    changed = template()
    changed["spec"]["containers"][0]["image"] = "db:2"
    api.edit(f"{SETS}/db", {"spec": {"template": changed}})
    pod = api.get(f"{PODS}/db-0")
    assert (pod["metadata"]["uid"], pod["spec"]["containers"][0]["image"]) == (stuck, "db:1")
    status = api.get(f"{SETS}/db")["status"]
    assert status["currentRevision"] != status["updateRevision"]
    api.call("DELETE", f"{PODS}/db-0")
    assert api.get(f"{PODS}/db-0")["spec"]["containers"][0]["image"] == "db:2"


def test_a_pod_that_no_node_has_goes_at_once(api: ApiInMemory) -> None:
    for node in ("pi1", "pi2", "pi3"):
        cordon(api, node)
    web(api)
    (pod,) = api.get(PODS)["items"]
    name = pod["metadata"]["name"]
    api.call("DELETE", f"{PODS}/{name}")
    with pytest.raises(NotFound):
        api.get(f"{PODS}/{name}")


def test_a_pod_without_room_says_so_of_every_node_that_it_could_be_on(api: ApiInMemory) -> None:
    cordon(api, "pi3")
    web(api, **{TROUBLE: NO_ROOM})
    (pod,) = api.get(PODS)["items"]
    assert why_pending(api, pod["metadata"]["name"]) == (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient memory. preemption: "
        "0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption "
        "victims found for incoming pod."
    )
