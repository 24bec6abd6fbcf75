"""Drain: what leaves a node, what stays, and what is said when something does not go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.doubles.progress import ProgressDouble

from picluster.errors import WaitFailed
from picluster.kube.drain import CORDONED, cordon, cordoned_by_us, drain, evictable, uncordon
from picluster.kube.errors import ApiRefused, NotFound
from picluster.kube.nodes import node_state


def pod(name: str, **meta: Any) -> dict[str, Any]:
    phase = meta.pop("phase", "Running")
    return {"metadata": {"name": name, "namespace": "apps", **meta}, "status": {"phase": phase}}


def owned_by(kind: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "name": "x", "controller": True}]


class PodsApi:
    """An in-memory API with one node and its pods; evicted pods go at once unless kept."""

    clock = None

    def __init__(self, *pods: dict[str, Any], kept: Mapping[str, int] | None = None) -> None:
        self.pods = {each["metadata"]["name"]: each for each in pods}
        self.kept = dict(kept or {})
        self.node: dict[str, Any] = {"metadata": {"name": "pi1"}, "spec": {}}
        self.writes: list[str] = []

    def call(self, method: str, path: str, **given: Any) -> Any:
        if method != "GET":
            self.writes.append(f"{method} {path}")
        if path == "/api/v1/pods":
            assert given["query"] == {"fieldSelector": "spec.nodeName=pi1"}
            return {"items": list(self.pods.values())}
        if path == "/api/v1/nodes/pi1":
            return self._node(method, given.get("body"))
        name = path.split("/")[6]
        if self.kept.get(name, 0) > 0:
            self.kept[name] -= 1
            raise ApiRefused("POST", status=429, message="the budget db needs it")
        if self.pods.pop(name, None) is None:
            raise NotFound("POST", status=404)
        return {}

    def _node(self, method: str, body: Any) -> Any:
        if method == "PATCH":
            for part in ("metadata", "spec"):
                for key, value in body.get(part, {}).items():
                    self.node[part][key] = value
        return self.node


def test_only_pods_that_can_be_elsewhere_leave() -> None:
    pods = [
        pod("web", ownerReferences=owned_by("ReplicaSet")),
        pod("alone"),
        pod("agent", ownerReferences=owned_by("DaemonSet")),
        pod("static", annotations={"kubernetes.io/config.mirror": "x"}),
        pod("done", phase="Succeeded"),
    ]
    assert [each.name for each in evictable(pods)] == ["web", "alone"]


def test_other_owners_can_keep_their_pods_where_they_are() -> None:
    pods = [pod("replicas", ownerReferences=owned_by("InstanceManager")), pod("alone")]
    left = evictable(pods, ("DaemonSet", "InstanceManager"))
    assert [each.name for each in left] == ["alone"]


def test_a_drained_node_keeps_no_pod_that_could_leave() -> None:
    api = PodsApi(pod("web"), pod("agent", ownerReferences=owned_by("DaemonSet")))
    drain(api, "pi1", timeout=60, progress=ProgressDouble())
    assert list(api.pods) == ["agent"]
    assert api.writes == ["POST /api/v1/namespaces/apps/pods/web/eviction"]


def test_a_pod_that_is_leaving_is_not_evicted_again() -> None:
    api = PodsApi(pod("slow", deletionTimestamp="2026-01-01T00:00:00Z"))
    with pytest.raises(WaitFailed, match="not drained"):
        drain(api, "pi1", timeout=0, progress=ProgressDouble())
    assert api.writes == []


def test_a_budget_is_respected_and_tried_again() -> None:
    api, clock = PodsApi(pod("db-0"), kept={"db-0": 2}), ProgressDouble()
    drain(api, "pi1", timeout=60, progress=clock)
    assert not api.pods
    assert "the budget db needs it" in clock.states[0]


def test_a_pod_that_never_leaves_is_named_with_what_keeps_it() -> None:
    api = PodsApi(pod("db-0"), kept={"db-0": 99})
    with pytest.raises(WaitFailed) as failed:
        drain(api, "pi1", timeout=0, progress=ProgressDouble())
    assert "apps/db-0" in failed.value.why
    assert "the budget db needs it" in failed.value.why
    assert "kubectl uncordon pi1" in failed.value.fix


def test_cordon_marks_the_node_and_uncordon_takes_the_mark_away() -> None:
    api = PodsApi()
    api.node["metadata"]["annotations"] = {}
    cordon(api, "pi1", "upgrade")
    assert api.node["spec"]["unschedulable"] is True
    assert cordoned_by_us(node_state(api.node))
    uncordon(api, "pi1")
    assert not api.node["spec"]["unschedulable"]
    assert api.node["metadata"]["annotations"] == {CORDONED: None}


def test_a_node_that_somebody_cordoned_is_left_to_them() -> None:
    api = PodsApi()
    api.node["spec"]["unschedulable"] = True
    cordon(api, "pi1", "upgrade")
    assert api.writes == []
    assert not cordoned_by_us(node_state(api.node))


def test_an_eviction_that_is_refused_for_good_is_no_matter_of_waiting() -> None:
    class Forbidden(PodsApi):
        def call(self, method: str, path: str, **given: Any) -> Any:
            if path.endswith("/eviction"):
                raise ApiRefused("POST", status=403, message="no such rights")
            return super().call(method, path, **given)

    progress = ProgressDouble()
    with pytest.raises(ApiRefused):
        drain(Forbidden(pod("web")), "pi1", timeout=60, progress=progress)
    assert progress.now == 0
