"""Server-side apply, its conflicts and its dry runs."""

from __future__ import annotations

import contextlib
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from tests.unit.kube.kube_double import Cluster

from picluster.kube.api import Object
from picluster.kube.apply import Applied, Conflicted, FieldConflict, apply, ensure_namespace
from picluster.kube.errors import Conflict, NotFound
from picluster.kube.kinds import KNOWN, Kind, kind_of, object_path

PATH = "/api/v1/namespaces/default/configmaps/settings"


def settings(**data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default"},
        "data": data,
    }


@pytest.fixture
def api(cluster: Cluster) -> Cluster:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
    cluster.store.put("/api/v1/namespaces/default", namespace)
    return cluster


def applied(result: Applied | Conflicted) -> Applied:
    assert isinstance(result, Applied)
    return result


def test_created_changed_unchanged(api: Cluster) -> None:
    first = applied(apply(api.access, settings(a="1")))
    assert first.outcome == "created"
    second = applied(apply(api.access, settings(a="2")))
    assert second.outcome == "changed"
    assert [str(change) for change in second.diff] == ["data.a: 1 -> 2"]
    third = applied(apply(api.access, settings(a="2")))
    assert (third.outcome, third.diff) == ("unchanged", ())


def test_it_applies_as_picluster(api: Cluster) -> None:
    apply(api.access, settings(a="1"), force=True)
    assert api.apis["s1"].requests[-1] == f"PATCH {PATH}?fieldManager=picluster&force=true"


def test_a_field_that_is_no_longer_wanted_goes_away(api: Cluster) -> None:
    apply(api.access, settings(a="1", b="2"))
    result = applied(apply(api.access, settings(a="1")))
    assert [str(change) for change in result.diff] == ["data.b: 2 -> <absent>"]


def test_a_dry_run_changes_nothing(api: Cluster) -> None:
    result = applied(apply(api.access, settings(a="1"), dry_run=True))
    assert result.outcome == "created"
    assert result.checked
    assert PATH not in api.store.objects
    assert api.apis["s1"].requests[-1].endswith("dryRun=All")


def test_a_conflict_names_fields_and_managers(api: Cluster) -> None:
    api.store.put(PATH, settings(a="theirs", b="2"), owner="kubectl-edit")
    result = apply(api.access, settings(a="ours", b="2"))
    assert result == Conflicted((FieldConflict(".data.a", "kubectl-edit"),))
    assert str(result) == ".data.a is managed by kubectl-edit"
    assert applied(apply(api.access, settings(a="ours"), force=True)).outcome == "changed"


def test_another_kind_of_conflict_is_an_error(api: Cluster) -> None:
    apply(api.access, settings(a="1"))
    live = api.store.objects[PATH]
    api.apis["s1"].trouble.extend([(200, live), (409, {"reason": "Conflict"})])
    with pytest.raises(Conflict):
        apply(api.access, settings(a="2"))


def test_a_namespace_that_is_still_to_come(cluster: Cluster) -> None:
    with pytest.raises(NotFound, match="namespaces"):
        apply(cluster.access, settings(a="1"))
    result = applied(apply(cluster.access, settings(a="1"), dry_run=True))
    assert result.outcome == "created"
    assert not result.checked
    assert applied(ensure_namespace(cluster.access, "default")).outcome == "created"
    assert applied(apply(cluster.access, settings(a="1"))).outcome == "created"


def test_a_namespaces_other_labels_stay(cluster: Cluster) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "apps", "labels": {"theirs": "1"}},
    }
    cluster.store.put("/api/v1/namespaces/apps", manifest)
    result = applied(ensure_namespace(cluster.access, "apps", labels={"ours": "2"}))
    assert result.object["metadata"]["labels"] == {"theirs": "1", "ours": "2"}
    again = ensure_namespace(cluster.access, "apps", labels={"ours": "2"})
    assert applied(again).outcome == "unchanged"


WIDGET: Object = {
    "apiVersion": "example.org/v1",
    "kind": "Widget",
    "metadata": {"name": "w", "namespace": "default"},
    "spec": {"size": 1},
}


def test_a_custom_kind_is_asked_for(api: Cluster) -> None:
    api.store.kinds["/apis/example.org/v1"] = [
        {"name": "widgets/status", "kind": "Widget", "namespaced": True},
        {"name": "widgets", "kind": "Widget", "namespaced": True},
    ]
    assert applied(apply(api.access, WIDGET)).outcome == "created"
    assert "/apis/example.org/v1/namespaces/default/widgets/w" in api.store.objects


def test_a_kind_that_is_still_to_come(api: Cluster) -> None:
    assert not applied(apply(api.access, WIDGET, dry_run=True)).checked
    api.store.kinds["/apis/example.org/v1"] = []
    with pytest.raises(NotFound, match="CustomResourceDefinition"):
        apply(api.access, WIDGET)


def test_known_kinds_need_no_request(api: Cluster) -> None:
    assert kind_of(api.access, "apps/v1", "DaemonSet") == Kind("daemonsets", namespaced=True)
    manifest: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}
    assert object_path(api.access, manifest) == "/api/v1/nodes/a"
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    assert object_path(api.access, manifest) == "/api/v1/namespaces/default/secrets/a"
    assert api.apis["s1"].requests == []


@pytest.mark.parametrize(("version", "kind"), sorted(KNOWN))
def test_known_kinds_are_real(version: str, kind: str) -> None:
    bare: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}
    # An invalid object has a schema, it merely lacks what that requires; a kind without one fails.
    with contextlib.suppress(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bare, kubernetes_validate.latest_version())
