"""What keeps a pod or a volume from being, by its status, its events and its log."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.k3s.scenes import scene

from picluster.kube.events import EventLine
from picluster.kube.pods import ContainerState, PodState, pod_state
from picluster.kube.troubles import (
    claim_trouble,
    no_pods,
    stuck,
    trouble_of,
    unready,
    unscheduled,
    with_log,
)


def waiting(reason: str, message: str = "", **more: Any) -> PodState:
    one = ContainerState("web", "lan:5000/web:1", waiting=reason, message=message, **more)
    return PodState("default", "web-1", "Pending", ready=False, node="pi2", containers=(one,))


# ------------------------------------------------------------------ images


@pytest.mark.parametrize(
    ("message", "cause", "lasting"),
    [
        ("lan:5000/web:1: not found", "does not have it", True),
        ("http: server gave HTTP response to HTTPS client", "speaks HTTPS", True),
        ("x509: certificate signed by unknown authority", "does not trust", True),
        ("401 Unauthorized", "wants a login", True),
        ("dial tcp: lookup lan: no such host", "no DNS, or no internet", True),
        ("dial tcp 10.0.0.11:5000: connect: connection refused", "cannot reach", True),
        ("no match for platform in manifest: not found", "not for this machine", True),
        ("toomanyrequests: you have reached your pull rate limit", "limits how much", False),
        ("unexpected EOF", "does not hold", False),
        ("something new", "something new", False),
    ],
)
def test_an_image_that_cannot_be_had_names_itself_its_node_and_a_likely_cause(
    message: str, cause: str, lasting: bool
) -> None:
    trouble = trouble_of(waiting("ErrImagePull", message))
    assert trouble is not None
    assert "the image lan:5000/web:1 of web cannot be had on pi2: " in trouble.what
    assert cause in trouble.what
    assert trouble.lasting is lasting
    assert trouble.fix


def test_an_image_is_one_trouble_whatever_the_kubelet_calls_it() -> None:
    pod = {
        "metadata": {"name": "web", "namespace": "own", "uid": "1"},
        "spec": {"nodeName": "pi2", "containers": [{"name": "web", "image": "web:1"}]},
    }
    seen = {
        (found.kind, found.what)
        for age in range(0, 120, 3)
        if (
            found := trouble_of(
                pod_state({**pod, "status": scene("image-offline", pod, age).status})
            )
        )
    }
    assert len(seen) == 1, "the two names of one trouble are taken for two"


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull", "ImageInspectError"])
def test_other_words_of_the_kubelet_are_about_the_image_too(reason: str) -> None:
    trouble = trouble_of(waiting(reason, "couldn't parse image name"))
    assert trouble is not None
    assert trouble.kind == "image lan:5000/web:1"


# ------------------------------------------------------------------ containers


@pytest.mark.parametrize(
    ("pod", "what", "lasting"),
    [
        (
            waiting("CrashLoopBackOff", restarts=5, ended="Error", exit_code=7),
            "web ended 5 times, the last time with 7",
            True,
        ),
        (
            waiting("CrashLoopBackOff", restarts=5, ended="OOMKilled"),
            "killed for its memory",
            True,
        ),
        (
            waiting("CreateContainerConfigError", 'secret "x" not found'),
            'names a Secret, ConfigMap or key that is not there: secret "x" not found',
            True,
        ),
        (waiting("RunContainerError", "some new thing"), "cannot be started: some new thing", True),
        (
            waiting("CreateContainerError", "context deadline exceeded"),
            "cannot be started: context deadline exceeded",
            False,
        ),
        (
            waiting("CreateContainerError", 'failed to reserve container name "a"'),
            "busy with an earlier start",
            False,
        ),
    ],
)
def test_what_keeps_a_container_from_running(pod: PodState, what: str, lasting: bool) -> None:
    trouble = trouble_of(pod)
    assert trouble is not None
    assert what in trouble.what
    assert trouble.lasting is lasting


def test_a_first_crash_is_no_trouble_yet() -> None:
    assert trouble_of(waiting("CrashLoopBackOff", restarts=1, ended="Error")) is None
    assert trouble_of(waiting("ContainerCreating")) is None


def test_a_log_says_why_a_container_ends() -> None:
    crash = trouble_of(waiting("CrashLoopBackOff", restarts=3, ended="Error", exit_code=255))
    assert crash is not None
    assert crash.container == "web"
    foreign = with_log(crash, "exec /entrypoint.sh: exec format error\n")
    assert "not for this machine's processor" in foreign.what
    assert foreign.lasting
    assert foreign.container == "", "it waits for nobody"
    other = with_log(crash, "starting\n\nno database at db:5432\n")
    assert "it last said: no database at db:5432" in other.what
    assert other.container == "web"
    assert with_log(crash, " \n") is crash


def test_an_evicted_pod_says_what_its_node_lacked() -> None:
    said = "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi. "
    trouble = trouble_of(
        pod_state(
            {
                "spec": {"nodeName": "pi2"},
                "status": {"phase": "Failed", "reason": "Evicted", "message": said},
            }
        )
    )
    assert trouble is not None
    assert "evicted from pi2: The node was low on resource: ephemeral-storage." in trouble.what
    assert "df -h" in trouble.fix


# ------------------------------------------------------------------ the scheduler


@pytest.mark.parametrize(
    ("message", "fix", "lasting"),
    [
        (
            "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: "
            "3 No preemption victims found for incoming pod.",
            "free memory",
            True,
        ),
        (
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint "
            "{a: b}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for "
            "scheduling.",
            "toleration",
            True,
        ),
        (
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
            "label a node",
            True,
        ),
        (
            "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
            "uncordon the node that has the volume",
            True,
        ),
        ("0/1 nodes are available: 1 node(s) were unschedulable.", "kubectl uncordon", True),
        (
            "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint "
            "{node.kubernetes.io/not-ready: }.",
            "bring it back",
            False,
        ),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            "describe pvc",
            False,
        ),
        ("0/1 nodes are available: 1 node(s) had something new.", "describe pod", False),
        ("whatever", "describe pod", False),
    ],
)
def test_a_pod_that_no_node_takes_is_in_vain_only_if_every_reason_lasts(
    message: str, fix: str, lasting: bool
) -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    trouble = trouble_of(pod_state({"status": {"conditions": [condition]}}))
    assert trouble is not None
    assert trouble.what == f"no node takes it: {message.split(' preemption', maxsplit=1)[0]}"
    assert fix in trouble.fix
    assert trouble.lasting is lasting


UNNAMED = "0/2 nodes are available: 2 node(s) had untolerated taint(s)."


@pytest.mark.parametrize(
    ("taints", "lasting"),
    [
        ({"pi1": ["dedicated=storage:NoSchedule"], "pi2": ["a:NoExecute"]}, True),
        ({"pi1": ["a:NoSchedule"], "pi2": ["node.kubernetes.io/not-ready:NoExecute"]}, False),
        ({"pi1": ["node.kubernetes.io/disk-pressure:NoSchedule"]}, True),
    ],
)
def test_taints_that_the_scheduler_does_not_name_are_those_of_the_nodes(
    taints: dict[str, list[str]], lasting: bool
) -> None:
    """Kubernetes 1.35 says `untolerated taint(s)`, and no more."""
    trouble = unscheduled(UNNAMED, taints)
    assert trouble.lasting is lasting
    for node, (first, *_) in taints.items():
        assert f"taint of {node}: {first}" in trouble.what


# ------------------------------------------------------------------ events


def event(reason: str, message: str = "", kind: str = "Warning") -> EventLine:
    return EventLine("2026-11-28T08:00:00Z", kind, reason, message)


def test_a_volume_that_cannot_be_mounted_is_told_by_the_latest_event_alone() -> None:
    failed = event("FailedMount", 'MountVolume.SetUp failed for volume "a" : secret "b" not found')
    trouble = stuck([event("Scheduled", kind="Normal"), failed])
    assert trouble is not None
    assert "that is not there" in trouble.what
    assert trouble.lasting
    assert stuck([failed, event("Pulling", kind="Normal")]) is None, "that is over"
    assert stuck([]) is None


@pytest.mark.parametrize(
    ("reason", "message", "lasting"),
    [
        ("FailedAttachVolume", "volume pvc-1 is not ready for workloads", False),
        ("FailedMount", "hostPath type check failed: /a is not a directory", True),
        ("FailedMount", "something new", False),
        ("FailedCreatePodSandBox", '"cni0" already has an IP address different from 1', True),
    ],
)
def test_what_keeps_a_pod_from_being_set_up(reason: str, message: str, lasting: bool) -> None:
    trouble = stuck([event(reason, message)])
    assert trouble is not None
    assert message in trouble.what
    assert trouble.lasting is lasting


def test_a_probe_that_fails_is_told_and_may_come_to_succeed() -> None:
    trouble = unready([event("Unhealthy", "Readiness probe failed: 503"), event("Pulled")])
    assert trouble is not None
    assert trouble.what == "Readiness probe failed: 503"
    assert not trouble.lasting


def test_pods_that_the_api_refuses_say_why() -> None:
    trouble = no_pods('pods "web-1" is forbidden: exceeded quota: small, requested: cpu=1')
    assert "its pods cannot be made: " in trouble.what
    assert "ResourceQuota" in trouble.fix
    assert trouble.lasting


@pytest.mark.parametrize(
    ("message", "fix", "lasting"),
    [
        ('storageclass.storage.k8s.io "x" not found', "name a StorageClass", True),
        (
            "no persistent volumes available for this claim and no storage class is set",
            "name a StorageClass",
            True,
        ),
        ("failed to create volume: rpc error: code = Unavailable", "storage system's pods", False),
        ("failed to create volume: no way", "storage system's pods", True),
    ],
)
def test_a_volume_that_cannot_be_made_says_why(message: str, fix: str, lasting: bool) -> None:
    claim = {"metadata": {"name": "data"}, "status": {"phase": "Pending"}}
    trouble = claim_trouble(claim, [event("ProvisioningFailed", message)])
    assert trouble is not None
    assert message in trouble.what
    assert fix in trouble.fix
    assert trouble.lasting is lasting
    bound = {**claim, "status": {"phase": "Bound"}}
    assert claim_trouble(bound, [event("ProvisioningFailed", message)]) is None
    assert claim_trouble(claim, [event("WaitForFirstConsumer")]) is None
