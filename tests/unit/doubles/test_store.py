"""The stand-in's store, patches and ownership of fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.doubles.k3s import patches, resources
from tests.doubles.k3s.apiserver import selector
from tests.doubles.k3s.kinds import find
from tests.doubles.k3s.members import Transaction
from tests.doubles.k3s.resources import ApiError, Place
from tests.doubles.k3s.store import Compacted, Store


def place(store: Store, plural: str, name: str, group: str = "", manager: str = "m") -> Place:
    kind = find(store, group, "v1", plural)
    assert kind is not None
    return Place(kind, "v1", "default" if kind.namespaced else "", name, "", manager)


def act(store: Store, change: Any, *args: Any, **options: Any) -> Any:
    transaction = Transaction(store)
    result = change(transaction, *args, **options)
    if transaction.operations:
        store.apply(1, store.index + 1, transaction.operations)
    return result


@pytest.fixture
def store() -> Store:
    made = Store()
    act(made, resources.create, place(made, "namespaces", "default"), {})
    return made


def deployment(image: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": "x"}
    containers = [{"name": "a", "image": image}, {"name": "b", "image": "b"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {"spec": {"selector": {"matchLabels": labels}, "template": template, **spec}}


def test_journal_survives_a_torn_line(tmp_path: Path) -> None:
    files = (tmp_path / "db", tmp_path / "wal")
    store = Store(*files)
    act(store, resources.create, place(store, "namespaces", "default"), {})
    with files[1].open("a") as file:
        file.write('{"t": 1, "i": 2, "ops": [["put", ["", "no')
    again = Store(*files)
    assert again.dump() == store.dump()


def test_events_and_compaction(store: Store) -> None:
    since = store.version
    where = place(store, "configmaps", "c")
    act(store, resources.create, where, {"data": {"a": "1"}})
    act(store, resources.patch, where, {"data": {"a": "2"}}, "application/merge-patch+json")
    act(store, resources.delete, where, {})
    assert [event.kind for event in store.events_after(since)] == ["ADDED", "MODIFIED", "DELETED"]
    store.restore(store.dump())
    with pytest.raises(Compacted):
        store.events_after(since)


def test_workloads_are_rolled_out_at_once(store: Store) -> None:
    where = place(store, "deployments", "d", "apps")
    made = act(store, resources.create, where, deployment("one"))
    assert made["metadata"]["generation"] == 1
    assert made["status"]["readyReplicas"] == 1
    changed = act(store, resources.patch, where, {"spec": {"replicas": 3}}, "merge")
    assert changed["metadata"]["generation"] == changed["status"]["observedGeneration"] == 2
    assert changed["status"]["availableReplicas"] == 3
    same = act(store, resources.patch, where, {"spec": {"replicas": 3}}, "merge")
    assert same["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]


def test_apply_merges_lists_by_name_and_takes_away_what_it_dropped(store: Store) -> None:
    where = place(store, "deployments", "d", "apps", "one")
    first = {**deployment("one"), "metadata": {"name": "d", "labels": {"x": "y"}}}
    act(store, resources.apply, where, first, force=False)
    other = place(store, "deployments", "d", "apps", "two")
    sidecar = {"metadata": {}, "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}
    both = act(store, resources.apply, other, sidecar, force=False)
    names = [c["name"] for c in both["spec"]["template"]["spec"]["containers"]]
    assert names == ["a", "b", "c"]
    second = {**deployment("one"), "metadata": {"name": "d"}}
    del second["spec"]["template"]["spec"]["containers"][1]
    after = act(store, resources.apply, where, second, force=False)
    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["a", "c"]
    assert "labels" not in after["metadata"]
    unchanged = act(store, resources.apply, where, second, force=False)
    assert unchanged == after


def test_apply_conflicts_name_field_and_manager(store: Store) -> None:
    where = place(store, "deployments", "d", "apps", "one")
    act(store, resources.apply, where, {**deployment("one"), "metadata": {}}, force=False)
    other = place(store, "deployments", "d", "apps", "two")
    with pytest.raises(ApiError) as refused:
        act(store, resources.apply, other, {**deployment("two"), "metadata": {}}, force=False)
    field = '.spec.template.spec.containers[name="a"].image'
    assert refused.value.as_object()["details"]["causes"][0]["field"] == field
    forced = act(store, resources.apply, other, {**deployment("two"), "metadata": {}}, force=True)
    entries = {e["manager"]: e for e in forced["metadata"]["managedFields"]}
    assert set(entries) == {"one", "two"}
    with pytest.raises(ApiError):
        act(store, resources.apply, where, {**deployment("one"), "metadata": {}}, force=False)


def test_refusals(store: Store) -> None:
    where = place(store, "configmaps", "c")
    made = act(store, resources.create, where, {})
    with pytest.raises(ApiError, match="already exists"):
        act(store, resources.create, where, {})
    stale = {**made, "metadata": {**made["metadata"], "resourceVersion": "1"}, "data": {"a": "b"}}
    with pytest.raises(ApiError, match="the object has been modified"):
        act(store, resources.update, where, stale)
    with pytest.raises(ApiError) as invalid:
        act(store, resources.create, place(store, "configmaps", "Bad_Name"), {})
    assert invalid.value.status == 422
    elsewhere = Place(where.kind, "v1", "nowhere", "c", "", "m")
    with pytest.raises(ApiError, match='namespaces "nowhere" not found'):
        act(store, resources.create, elsewhere, {})


def test_a_namespace_takes_its_objects_with_it(store: Store) -> None:
    act(store, resources.create, place(store, "configmaps", "c"), {})
    act(store, resources.delete, place(store, "namespaces", "default"), {})
    assert not store.objects


def test_finalizers_delay_deletion(store: Store) -> None:
    where = place(store, "configmaps", "c")
    act(store, resources.create, where, {"metadata": {"finalizers": ["x/y"]}})
    marked = act(store, resources.delete, where, {})
    assert "deletionTimestamp" in marked["metadata"]
    act(store, resources.patch, where, {"metadata": {"finalizers": None}}, "merge")
    assert where.key not in store.objects


def test_kinds_of_a_crd_are_served(store: Store) -> None:
    assert find(store, "example.com", "v1", "things") is None
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [{"name": "v1", "served": True, "storage": True}],
    }
    where = place(store, "customresourcedefinitions", "things.example.com", "apiextensions.k8s.io")
    crd = act(store, resources.apply, where, {"metadata": {}, "spec": spec}, force=False)
    assert {c["type"]: c["status"] for c in crd["status"]["conditions"]}["Established"] == "True"
    thing = place(store, "things", "t", "example.com")
    act(store, resources.apply, thing, {"metadata": {}, "spec": {"a": 1}}, force=False)
    act(store, resources.delete, where, {})
    assert thing.key not in store.objects


def test_json_patch() -> None:
    live = {"a": [1, 2], "b": {"c/d": 1}}
    operations = [
        {"op": "test", "path": "/a/0", "value": 1},
        {"op": "add", "path": "/a/-", "value": 3},
        {"op": "remove", "path": "/b/c~1d"},
        {"op": "replace", "path": "/a/0", "value": 9},
    ]
    assert patches.json_patch(live, operations) == {"a": [9, 2, 3], "b": {}}
    with pytest.raises(patches.BadPatch):
        patches.json_patch(live, [{"op": "remove", "path": "/x"}])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("a=1", True),
        ("a==1,b!=1", True),
        ("a!=1", False),
        ("a in (1,2),!c", True),
        ("a notin (1,2)", False),
        ("c", False),
    ],
)
def test_selectors(labels: str, expected: bool) -> None:
    obj = {"metadata": {"name": "x", "labels": {"a": "1", "b": "2"}}}
    assert selector({"labelSelector": labels})(obj) is expected


def test_applying_a_secret_again_changes_nothing(store: Store) -> None:
    where = place(store, "secrets", "s")
    body = {"metadata": {}, "stringData": {"a": "b"}}
    first = act(store, resources.apply, where, body, force=False)
    assert first["data"] == {"a": "Yg=="}
    assert act(store, resources.apply, where, body, force=False) == first


def test_applying_a_service_again_changes_nothing(store: Store) -> None:
    where = place(store, "services", "s")
    body = {"metadata": {}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    first = act(store, resources.apply, where, body, force=False)
    assert first["spec"]["clusterIP"]
    assert act(store, resources.apply, where, body, force=False) == first
