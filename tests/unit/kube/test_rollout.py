"""Workloads: what they lack, what keeps their pods from running, and when waiting is in vain."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.progress import ProgressDouble

from picluster.engine.waiting import Done, Hopeless, Waiting
from picluster.errors import WaitFailed
from picluster.kube.pods import ContainerState, PodState, claim_trouble, pod_state, trouble_of
from picluster.kube.rollout import (
    Rollout,
    Workload,
    failed_job,
    judge,
    missing_in,
    read_rollout,
    wait_for_rollouts,
)

WEB = Workload("Deployment", "default", "web")


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


# ------------------------------------------------------------------ pods


def waiting(reason: str, message: str = "", **more: Any) -> PodState:
    one = ContainerState("web", "lan:5000/web:1", waiting=reason, message=message, **more)
    return PodState("default", "web-1", "Pending", ready=False, containers=(one,))


@pytest.mark.parametrize(
    ("message", "cause", "lasting"),
    [
        ("lan:5000/web:1: not found", "does not have it", True),
        ("http: server gave HTTP response to HTTPS client", "speaks HTTPS", True),
        ("x509: certificate signed by unknown authority", "does not trust", True),
        ("401 Unauthorized", "wants a login", True),
        ("toomanyrequests: you have reached your pull rate limit", "limits how much", False),
        ("dial tcp: lookup lan: no such host", "cannot reach", False),
        ("no match for platform in manifest", "not for this machine", True),
        ("something new", "something new", False),
    ],
)
def test_an_image_that_cannot_be_pulled_has_a_likely_cause(
    message: str, cause: str, lasting: bool
) -> None:
    trouble = trouble_of(waiting("ImagePullBackOff", message))
    assert trouble is not None
    assert cause in trouble.what
    assert trouble.lasting is lasting
    assert trouble.fix


@pytest.mark.parametrize(
    ("pod", "what", "container"),
    [
        (
            waiting("CrashLoopBackOff", restarts=5, ended="Error", exit_code=7),
            "ended 5 times, the last time with 7",
            "web",
        ),
        (waiting("CrashLoopBackOff", restarts=5, ended="OOMKilled"), "killed for its memory", ""),
        (
            waiting("CreateContainerConfigError", 'secret "x" not found'),
            'cannot be created: secret "x"',
            "",
        ),
        (waiting("InvalidImageName"), "that is no image's name", ""),
    ],
)
def test_what_keeps_a_container_from_running(pod: PodState, what: str, container: str) -> None:
    trouble = trouble_of(pod)
    assert trouble is not None
    assert what in trouble.what
    assert trouble.lasting
    assert trouble.container == container


def test_a_first_crash_is_no_trouble_yet() -> None:
    assert trouble_of(waiting("CrashLoopBackOff", restarts=1, ended="Error")) is None
    assert trouble_of(waiting("ContainerCreating")) is None


@pytest.mark.parametrize(
    ("message", "fix", "lasting"),
    [
        ("0/3 nodes are available: 3 Insufficient memory.", "free memory", True),
        ("1 node(s) had untolerated taint {a: b}", "toleration", True),
        ("didn't match Pod's node affinity/selector", "label a node", True),
        (
            "1 node(s) had untolerated taint {a: b}, "
            "2 node(s) didn't match PersistentVolume's node affinity",
            "bring it back",
            True,
        ),
        ("1 node(s) had volume node affinity conflict", "bring it back", True),
        ("pod has unbound immediate PersistentVolumeClaims", "volume", False),
        ("whatever", "describe pod", False),
    ],
)
def test_a_pod_that_no_node_takes(message: str, fix: str, lasting: bool) -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    trouble = trouble_of(pod_state({"status": {"conditions": [condition]}}))
    assert trouble is not None
    assert message in trouble.what
    assert fix in trouble.fix
    assert trouble.lasting is lasting


def test_a_volume_that_cannot_be_made_says_why() -> None:
    class Event:
        reason, message = "ProvisioningFailed", 'storageclass.storage.k8s.io "x" not found'

    claim = {"metadata": {"name": "data"}, "status": {"phase": "Pending"}}
    trouble = claim_trouble(claim, [Event()])
    assert trouble is not None
    assert "name a StorageClass" in trouble.fix
    assert claim_trouble({**claim, "status": {"phase": "Bound"}}, [Event()]) is None
    assert claim_trouble(claim, []) is None


# ------------------------------------------------------------------ judging


def stuck(*, lasting: bool) -> Rollout:
    trouble = trouble_of(waiting("ImagePullBackOff", "not found" if lasting else "no such host"))
    assert trouble is not None
    return Rollout(WEB, "has 0 of 1 pods ready", troubles=(("web-1", trouble),))


def test_what_waiting_does_not_cure_is_told_apart_by_pod_and_not_by_its_words() -> None:
    verdict = judge([stuck(lasting=True)])
    assert isinstance(verdict, Waiting)
    assert [each.kind for each in verdict.troubles] == ["Deployment default/web/web-1"]
    assert "web-1: the image lan:5000/web:1" in verdict.troubles[0].why
    assert verdict.troubles[0].fix


def test_a_passing_trouble_is_waited_out() -> None:
    verdict = judge([stuck(lasting=False)])
    assert isinstance(verdict, Waiting)
    assert not verdict.troubles
    assert "cannot reach the registry" in verdict.state


def test_all_that_run_are_done_and_a_failed_job_is_hopeless_at_once() -> None:
    assert isinstance(judge([Rollout(WEB, "")]), Done)
    failed = Rollout(Workload("Job", "default", "j"), "has not ended yet", failed="it failed")
    assert isinstance(judge([failed]), Hopeless)


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


@pytest.mark.parametrize(
    ("trouble", "quoted", "fix"),
    [
        ("image-missing", ["Failed to pull image", "not found"], "picluster phase build"),
        ("crash-loop", ["Back-off restarting", "log of web-", "/web:\nno database"], "its log"),
        (
            "unschedulable",
            ["unbound immediate PersistentVolumeClaims"],
            "name a StorageClass that the cluster has",
        ),
    ],
)
def test_a_hopeless_wait_ends_early_with_events_log_and_cause(
    api: ApiInMemory, trouble: str, quoted: list[str], fix: str
) -> None:
    made = deployment(trouble, log="no database")
    api.create(
        "/apis/apps/v1/namespaces/default/deployments", "apps/v1", "Deployment", "web", **made
    )
    clock = ProgressDouble()
    with pytest.raises(WaitFailed) as caught:
        wait_for_rollouts(api, [WEB], timeout=900, progress=clock)
    assert clock.now < 60
    assert fix in caught.value.fix
    for text in quoted:
        assert text in caught.value.evidence


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
