"""Workloads: what they lack, what keeps their pods from running, and when waiting is in vain."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from tests.doubles import api_in_memory
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.k3s import scheduling
from tests.doubles.progress import ProgressDouble

from picluster.engine.waiting import Done, Hopeless, Waiting
from picluster.errors import WaitFailed
from picluster.kube.diagnosis import present
from picluster.kube.pods import PodState
from picluster.kube.rollout import (
    PATIENCE_SECONDS,
    Rollout,
    failed_job,
    judge,
    missing_in,
    read_rollout,
    wait_for_rollouts,
)
from picluster.kube.troubles import Trouble
from picluster.kube.workload import Workload

WEB = Workload("Deployment", "default", "web")
DB = Workload("StatefulSet", "default", "db")


def status(generation: int = 1, wanted: int = 1, **status: Any) -> dict[str, Any]:
    observed = {"observedGeneration": generation, **status}
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": wanted},
        "status": observed,
    }


@pytest.mark.parametrize(
    ("kind", "live", "missing"),
    [
        ("Deployment", None, "is not there"),
        ("Deployment", status(2, updatedReplicas=1, readyReplicas=1), ""),
        ("Deployment", {**status(2), "metadata": {"generation": 3}}, "was just changed"),
        ("Deployment", status(wanted=3, updatedReplicas=1, readyReplicas=3), "1 of 3 pods of its"),
        ("StatefulSet", status(wanted=2, updatedReplicas=2, readyReplicas=1), "1 of 2 pods ready"),
        ("Deployment", status(wanted=0), ""),
        ("DaemonSet", status(desiredNumberScheduled=0), "wants no node yet"),
        (
            "DaemonSet",
            status(desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=1),
            "1 of 2",
        ),
        ("Job", {"status": {"succeeded": 1}}, ""),
        ("Job", {"status": {}}, "has not ended"),
    ],
)
def test_what_a_workload_lacks(kind: str, live: dict[str, Any] | None, missing: str) -> None:
    found = missing_in(kind, live)
    assert missing in found
    assert bool(found) == bool(missing)


@pytest.mark.parametrize(
    ("updated", "available", "away", "missing"),
    [
        (3, 2, 1, ""),
        (2, 2, 1, ""),
        (3, 2, 0, "has 2 of 3 pods ready"),
        (3, 1, 1, "has 1 of 2 pods ready"),
        (1, 2, 1, "has 1 of 2 pods of its present version"),
    ],
)
def test_a_daemon_set_does_not_lack_the_pods_of_nodes_that_are_away(
    updated: int, available: int, away: int, missing: str
) -> None:
    live = status(
        desiredNumberScheduled=3, updatedNumberScheduled=updated, numberAvailable=available
    )
    assert missing_in("DaemonSet", live, away) == missing


def test_a_job_that_failed_for_good_says_why() -> None:
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    assert failed_job({"status": {"conditions": [condition]}}) == "BackoffLimitExceeded"
    assert failed_job({"status": {"conditions": [{**condition, "status": "False"}]}}) == ""


# ------------------------------------------------------------------ judging


def stuck(kind: str = "image web:1", *, lasting: bool = True, container: str = "") -> Trouble:
    return Trouble(kind, "it cannot be had", "fetch it", lasting, container)


def rollout(*troubles: Trouble, workload: Workload = WEB) -> Rollout:
    named = tuple((f"web-{number}", each) for number, each in enumerate(troubles))
    return Rollout(workload, "has 0 of 1 pods ready", troubles=named)


def judged(*rollouts: Rollout) -> Waiting:
    verdict = judge(rollouts)
    assert isinstance(verdict, Waiting)
    return verdict


def test_what_waiting_does_not_cure_is_told_apart_by_its_kind_and_not_by_pod_or_words() -> None:
    (trouble,) = judged(rollout(stuck())).troubles
    assert trouble.kind == "Deployment default/web: image web:1"
    assert trouble.why == "Deployment default/web: web-0: it cannot be had"
    assert trouble.fix == "fetch it"
    assert trouble.patience == PATIENCE_SECONDS < 60


def test_a_passing_trouble_is_told_and_waited_out() -> None:
    verdict = judged(rollout(stuck(lasting=False)))
    assert [each.patience for each in verdict.troubles] == [math.inf]
    assert "it cannot be had" in verdict.state


def test_the_one_that_is_in_trouble_is_told_of_first() -> None:
    verdict = judged(Rollout(DB, "has 0 of 1 pods ready"), rollout(stuck()))
    assert (
        verdict.state
        == "0 of 2 run; Deployment default/web has 0 of 1 pods ready (it cannot be had)"
    )


def test_a_crash_may_wait_for_what_is_still_coming_up() -> None:
    crash = rollout(stuck("end of web", container="web"))
    (alone,) = judged(crash).troubles
    assert alone.patience == PATIENCE_SECONDS
    coming = Rollout(DB, "has 0 of 1 pods ready")
    (meanwhile,) = judged(coming, crash).troubles
    assert meanwhile.patience == math.inf
    assert meanwhile.kind != alone.kind, "its time begins when nothing else is coming up"
    (absent,) = judged(crash, Rollout(DB, "is not there")).troubles
    assert absent.patience == PATIENCE_SECONDS, "what is not there may be what the crash would make"
    dead = rollout(stuck(), workload=DB)
    assert PATIENCE_SECONDS in [each.patience for each in judged(dead, crash).troubles[1:]]


def test_all_that_run_are_done_and_a_failed_job_is_hopeless_at_once() -> None:
    assert isinstance(judge([Rollout(WEB, "")]), Done)
    job = Workload("Job", "default", "j")
    failed = replace(rollout(stuck("end of it"), workload=job), failed="it failed")
    verdict = judge([failed])
    assert isinstance(verdict, Hopeless)
    assert verdict.why == "Job default/j failed: it failed (it cannot be had)"
    assert isinstance(judge([replace(failed, troubles=())]), Hopeless)


def pod(name: str, created: str, phase: str = "Pending", **more: Any) -> PodState:
    return PodState("default", name, phase, ready=False, created=created, **more)


def test_what_was_evicted_long_ago_does_not_hide_what_took_its_place() -> None:
    old, new = pod("old", "2026-01-01", "Failed", reason="Evicted"), pod("new", "2026-01-02")
    assert present([old, new]) == [new]
    assert present([old]) == [old]
    assert present([pod("leaving", "2026-01-03", leaving=True), new]) == [new]
    assert present([replace(new, ready=True), old]) == []


# ------------------------------------------------------------------ against an API


def deployment(trouble: str, **notes: str) -> dict[str, Any]:
    labels = {"app": "web"}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    container = {"name": "web", "image": "registry.lan:5000/web:1"}
    notes["trouble"] = trouble
    return {
        "metadata": {"annotations": {f"stand-in/{key}": value for key, value in notes.items()}},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "volumes": volumes},
            },
        },
    }


@pytest.fixture
def api() -> ApiInMemory:
    api = ApiInMemory("pi1")
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    api.create(claims, "v1", "PersistentVolumeClaim", "data", spec={"storageClassName": "x"})
    return api


class Passing(ProgressDouble):
    """Time passes for what is in trouble, too."""

    def __init__(self, api: ApiInMemory) -> None:
        super().__init__()
        self.api = api

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.api.slept = self.now


def failure(api: ApiInMemory, workload: Workload = WEB) -> tuple[WaitFailed, Passing]:
    progress = Passing(api)
    with pytest.raises(WaitFailed) as caught:
        wait_for_rollouts(api, [workload], timeout=900, progress=progress)
    return caught.value, progress


def make(api: ApiInMemory, trouble: str, kind: str = "Deployment", **notes: str) -> None:
    group = {"Job": "batch", "DaemonSet": "apps"}.get(kind, "apps")
    path = f"/apis/{group}/v1/namespaces/default/{kind.lower()}s"
    api.create(path, f"{group}/v1", kind, "web", **deployment(trouble, **notes))


@pytest.mark.parametrize(
    ("trouble", "why", "quoted", "fix"),
    [
        (
            "image-missing",
            "the image registry.lan:5000/web:1 of web cannot be had on pi1: the registry does not",
            ["Warning Failed", "Failed to pull image", "web:1: not found", "ImagePullBackOff"],
            "picluster phase build",
        ),
        (
            "image-offline",
            "no DNS, or no internet",
            ["dial tcp: lookup registry.lan:5000: Try again"],
            "/var/lib/rancher/k3s/agent/images",
        ),
        ("image-denied", "no such image that anybody may pull", ["pull access denied"], "its name"),
        (
            "crash-loop",
            "it last said: no database",
            ["Back-off restarting", "log of web-", "/web:\nno database"],
            "its log",
        ),
        ("config-missing", "that is not there", ['secret "no-such-secret"'], "correct the name"),
        ("mount-missing", "that is not there", ["FailedMount", "no-such-map"], "correct the name"),
        ("no-room", "Insufficient memory", ["FailedScheduling"], "free memory"),
        (
            "unschedulable",
            "volume data is not made",
            ["unbound immediate PersistentVolumeClaims"],
            "name a StorageClass that the cluster has",
        ),
    ],
)
def test_a_hopeless_wait_ends_within_a_minute_with_events_log_and_cause(
    api: ApiInMemory, trouble: str, why: str, quoted: list[str], fix: str
) -> None:
    make(api, trouble, log="no database")
    caught, progress = failure(api)
    assert progress.now <= 60
    assert why in caught.why
    assert fix in caught.fix
    for text in quoted:
        assert text in caught.evidence


def test_the_reason_is_told_at_once_and_the_same_one_not_twice(api: ApiInMemory) -> None:
    make(api, "image-offline")
    _, progress = failure(api)
    assert len(progress.states) == 1, progress.states
    assert "no DNS, or no internet" in progress.states[0]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [("job-fails", "web ended, the last time with 3"), ("image-missing", "does not have it")],
)
def test_a_job_that_cannot_succeed_ends_the_wait_within_a_minute(
    api: ApiInMemory, trouble: str, why: str
) -> None:
    make(api, trouble, "Job", log="no such table")
    caught, progress = failure(api, Workload("Job", "default", "web"))
    assert progress.now <= 60
    assert why in caught.why


@pytest.mark.parametrize(("seconds", "lasting"), [(3, False), (20, True)])
def test_a_job_may_fail_once(api: ApiInMemory, seconds: int, *, lasting: bool) -> None:
    """What it needs may have come up a moment too late: it is tried again."""
    make(api, "job-fails", "Job")
    api.slept = seconds
    ((_, trouble),) = read_rollout(api, Workload("Job", "default", "web")).troubles
    assert trouble.lasting is lasting


def test_taints_that_nobody_names_are_looked_up(
    api: ApiInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "_refusal", lambda *_: "node(s) had untolerated taint(s)")
    make(api, "")
    api.edit("/api/v1/nodes/pi1", {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}})
    ((_, trouble),) = read_rollout(api, WEB).troubles
    assert "taint of pi1: a:NoSchedule" in trouble.what


def test_pods_that_cannot_be_made_are_told_of_by_their_controller(
    api: ApiInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(api, "")
    monkeypatch.setattr(api_in_memory, "tick", lambda *_: None)
    pods = "/api/v1/namespaces/default/pods"
    for pod in api.get(pods)["items"]:
        api.call("DELETE", f"{pods}/{pod['metadata']['name']}", body={"gracePeriodSeconds": 0})
    said = 'pods "web-1" is forbidden: exceeded quota: small'
    told = {"type": "ReplicaFailure", "status": "True", "message": said}
    path = "/apis/apps/v1/namespaces/default/deployments/web/status"
    api.edit(path, {"status": {"readyReplicas": 0, "conditions": [told]}})
    ((_, trouble),) = read_rollout(api, WEB).troubles
    assert said in trouble.what


def test_a_workload_that_runs_is_not_waited_for(api: ApiInMemory) -> None:
    made = deployment("")
    api.create(
        "/apis/apps/v1/namespaces/default/deployments", "apps/v1", "Deployment", "web", **made
    )
    clock = ProgressDouble()
    wait_for_rollouts(api, [WEB], timeout=900, progress=clock)
    assert clock.now == 0


def test_a_chart_runs_once_its_job_is_done(api: ApiInMemory) -> None:
    chart = Workload("HelmChart", "kube-system", "rancher")
    assert read_rollout(api, chart).missing == "is not there"
    path = "/apis/helm.cattle.io/v1/namespaces/kube-system/helmcharts"
    spec = {"targetNamespace": "cattle-system"}
    api.create(path, "helm.cattle.io/v1", "HelmChart", "rancher", spec=spec)
    assert read_rollout(api, chart).missing == ""
    job = "/apis/batch/v1/namespaces/kube-system/jobs/helm-install-rancher"
    api.edit(f"{job}/status", {"status": {"succeeded": 0}})
    assert read_rollout(api, chart).missing == "has not ended yet"
    api.call("DELETE", job)
    assert read_rollout(api, chart).missing == "", "K3s deletes jobs that are done"


class Canned:
    """Answers each path with what it is given; every node's Lease is fresh."""

    clock = None

    def __init__(self, answers: dict[str, dict[str, Any]]) -> None:
        self.answers = answers

    def call(self, method: str, path: str, **more: Any) -> Any:
        return self.answers.get(path, {"items": []})


def node_of(name: str, *, ready: bool) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "Unknown"}
    return {"metadata": {"name": name}, "status": {"conditions": [condition]}}


def pod_on(node: str, *, ready: bool) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    meta = {"namespace": "x", "name": f"ds-{node}"}
    return {"metadata": meta, "spec": {"nodeName": node}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(("there", "missing"), [(False, ""), (True, "has 2 of 3 pods ready")])
def test_only_a_node_that_is_away_excuses_its_pod_of_a_daemon_set(
    there: bool, missing: str
) -> None:
    """The node controller marks the pods of a node that is not Ready as not ready themselves."""
    work, names = Workload("DaemonSet", "x", "ds"), ("pi1", "pi2", "pi3")
    live = status(desiredNumberScheduled=3, updatedNumberScheduled=3, numberAvailable=2)
    live["spec"] = {"selector": {"matchLabels": {"app": "ds"}}}
    nodes = [node_of(name, ready=there or name != "pi3") for name in names]
    pods = [pod_on(name, ready=name != "pi3") for name in names]
    answers = {
        work.path: live,
        "/api/v1/nodes": {"items": nodes},
        "/api/v1/namespaces/x/pods": {"items": pods},
    }
    assert read_rollout(Canned(answers), work).missing == missing  # type: ignore[arg-type]
