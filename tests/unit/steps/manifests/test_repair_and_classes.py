"""`deploy --fix`, and the one default StorageClass."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.steps.acting import decided, done, place
from tests.unit.steps.manifests.sources import Given

from picluster.engine.step import Change, Satisfied
from picluster.kube.errors import NotFound
from picluster.kube.workload import Workload
from picluster.steps.manifests.applied import ObjectsApplied
from picluster.steps.manifests.component import Part
from picluster.steps.manifests.repair import MadeAnew
from picluster.steps.manifests.rollout import RolledOut, These
from picluster.steps.storage.classes import DefaultClass

SPACE = "/apis/apps/v1/namespaces/default"
POD = "/api/v1/namespaces/default/pods/web-0"
WEB = Workload("StatefulSet", "default", "web")


def stateful(labels: dict[str, str] | None = None, **notes: str) -> dict[str, Any]:
    labels = labels or {"app": "web"}
    container = {"name": "web", "image": "registry.lan:5000/web:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "annotations": {f"stand-in/{key}": value for key, value in notes.items()},
        },
        "spec": {
            "serviceName": "web",
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [
                {"metadata": {"name": "data"}, "spec": {"storageClassName": "longhorn"}}
            ],
        },
    }


@pytest.fixture
def api() -> ApiInMemory:
    return ApiInMemory("pi1")


def have(api: ApiInMemory, manifest: dict[str, Any]) -> None:
    done(ObjectsApplied("it", "it", Part("web", Given((manifest,)))), at=place(api))


def anew(manifest: dict[str, Any]) -> MadeAnew:
    return MadeAnew("fix", "nothing is stuck", These((WEB,)), Given((manifest,)))


def a_minute_passes(api: ApiInMemory) -> None:
    assert api.clock is not None
    api.clock += 60


def test_what_runs_is_left_alone(api: ApiInMemory) -> None:
    have(api, stateful())
    assert decided(anew(stateful()), at=place(api)) == Satisfied()


def test_a_stuck_pod_is_deleted_and_its_volume_stays(api: ApiInMemory) -> None:
    stuck = stateful(trouble="crash-loop")
    have(api, stuck)
    api.slept = 100
    a_minute_passes(api)
    claim = api.get("/api/v1/namespaces/default/persistentvolumeclaims/data-web-0")
    pod = api.get(POD)["metadata"]["uid"]
    change = done(anew(stuck), at=place(api))
    assert "pod web-0" in change.summary
    assert "web ended 4 times" in change.reason
    assert api.get(POD)["metadata"]["uid"] != pod
    assert api.get("/api/v1/namespaces/default/persistentvolumeclaims/data-web-0") == claim


def test_a_pod_that_was_made_a_moment_ago_is_not_stuck_yet(api: ApiInMemory) -> None:
    """It may be the one that was made anew: in trouble at once, and yet the old one was deleted."""
    have(api, stateful(trouble="image-missing"))
    assert decided(anew(stateful(trouble="image-missing")), at=place(api)) == Satisfied()
    a_minute_passes(api)
    assert isinstance(decided(anew(stateful(trouble="image-missing")), at=place(api)), Change)


def test_a_pod_that_holds_a_corrected_version_up_is_deleted(api: ApiInMemory) -> None:
    have(api, stateful(trouble="image-missing"))
    corrected = stateful()
    corrected["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.lan:5000/web:2"
    have(api, corrected)
    a_minute_passes(api)
    change = done(anew(corrected), at=place(api))
    assert "pod web-0" in change.summary
    assert "older version" in change.reason
    assert decided(RolledOut("runs", "web runs", These((WEB,)), 1.0), at=place(api)) == Satisfied()


def test_what_runs_and_is_not_ready_yet_is_not_taken_for_stuck(api: ApiInMemory) -> None:
    """It may be a database in the middle of its first start."""
    starting = stateful(trouble="unready")
    have(api, starting)
    runs = decided(RolledOut("runs", "web runs", These((WEB,)), 1.0), at=place(api))
    assert isinstance(runs, Change)
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503" in runs.reason
    assert decided(anew(starting), at=place(api)) == Satisfied()


def test_a_workload_that_cannot_be_changed_in_place_is_made_anew(api: ApiInMemory) -> None:
    have(api, stateful())
    claim = api.get("/api/v1/namespaces/default/persistentvolumeclaims/data-web-0")
    changed_selector = stateful(labels={"app": "other"})  # is refused as one would be
    change = done(anew(changed_selector), at=place(api))
    assert str(WEB) in change.summary
    with pytest.raises(NotFound):
        api.get(f"{SPACE}/statefulsets/web")
    assert api.get("/api/v1/namespaces/default/persistentvolumeclaims/data-web-0") == claim


def test_a_plan_tells_what_does_not_run_and_why(api: ApiInMemory) -> None:
    have(api, stateful(trouble="image-missing"))
    decision = decided(RolledOut("runs", "web runs", These((WEB,)), 1.0), at=place(api))
    assert isinstance(decision, Change)
    assert "0 of 1 pods ready" in decision.reason
    assert "the registry does not have it" in decision.reason


def test_workloads_about_to_change_are_waited_for(api: ApiInMemory) -> None:
    have(api, stateful())
    step = RolledOut("runs", "web runs", These((WEB,)), 1.0, after=("it",))
    assert decided(step, at=place(api)) == Satisfied()
    assert isinstance(decided(step, "it", at=place(api)), Change)


def storage_class(api: ApiInMemory, name: str, *, default: bool) -> None:
    notes = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    api.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        "storage.k8s.io/v1",
        "StorageClass",
        name,
        metadata={"annotations": notes},
        provisioner="x",
    )


def test_exactly_one_storage_class_is_the_default(api: ApiInMemory) -> None:
    storage_class(api, "local-path", default=True)
    storage_class(api, "longhorn", default=True)
    storage_class(api, "other", default=False)
    step, at = DefaultClass("longhorn"), place(api)
    assert done(step, at=at).reason == "local-path is default too"
    assert decided(step, at=at) == Satisfied()
    listed = api.get("/apis/storage.k8s.io/v1/storageclasses")["items"]
    flag = "storageclass.kubernetes.io/is-default-class"
    defaults = {
        item["metadata"]["name"]: item["metadata"].get("annotations", {}).get(flag)
        for item in listed
    }
    assert defaults == {"local-path": "false", "longhorn": "true", "other": "false"}


def test_a_default_that_k3s_sets_back_is_drift(api: ApiInMemory) -> None:
    storage_class(api, "longhorn", default=True)
    storage_class(api, "local-path", default=False)
    step, at = DefaultClass("longhorn"), place(api)
    assert decided(step, at=at) == Satisfied()
    flag = "storageclass.kubernetes.io/is-default-class"
    path = "/apis/storage.k8s.io/v1/storageclasses/local-path"
    api.edit(path, {"metadata": {"annotations": {flag: "true"}}})
    assert isinstance(decided(step, at=at), Change)
