"""Pods that hold their StatefulSet up: Kubernetes' "forced rollback", done where it is safe."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.progress import ProgressDouble

from picluster.errors import WaitFailed
from picluster.kube.pods import PodState, pod_state
from picluster.kube.rollout import read_rollout, wait_for_rollouts
from picluster.kube.superseded import MayGo, holding_up, trouble_with
from picluster.kube.workload import Workload

OLD, NEW = "db-1", "db-2"
DB = Workload("StatefulSet", "default", "db")
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
POD = "/api/v1/namespaces/default/pods/db-0"


def stateful(**spec: Any) -> dict[str, Any]:
    status = {"observedGeneration": 2, "updateRevision": NEW, "currentRevision": OLD}
    return {"metadata": {"name": "db", "generation": 2}, "spec": spec, "status": status}


def pod(name: str = "db-0", revision: str = OLD, **status: Any) -> PodState:
    """A pod that was made at 03:00:00 and never got ready; its container waits."""
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-02T03:00:00Z"}
    made = {
        "metadata": {"name": name, "labels": {"controller-revision-hash": revision}},
        "status": {
            "startTime": "2026-01-02T03:00:00Z",
            "conditions": [ready],
            "containerStatuses": [{"name": "db", "state": {"waiting": {"reason": "x"}}}],
            **status,
        },
    }
    return pod_state(made)


def ready(status: str, since: str) -> dict[str, Any]:
    made = {"type": "Ready", "status": status, "lastTransitionTime": f"2026-01-02T{since}Z"}
    return {"conditions": [made]}


@pytest.mark.parametrize(
    ("live", "seen", "holds"),
    [
        (stateful(), pod(), True),
        (stateful(), pod(**ready("False", "03:00:01")), True),
        (stateful(), pod(conditions=[], startTime=None), True),  # no node took it
        (stateful(podManagementPolicy="OrderedReady"), pod(), True),
        (stateful(updateStrategy={"type": "RollingUpdate"}), pod(), True),
        (stateful(updateStrategy={"rollingUpdate": {"partition": 1}}), pod("db-1"), True),
        (stateful(), pod(revision=NEW), False),  # the present version does not run either
        (stateful(), pod(**ready("True", "03:04:00")), False),
        (stateful(), pod(**ready("False", "03:04:00")), False),  # it was ready once
        (stateful(), pod(revision=""), False),  # not a StatefulSet's
        (stateful(), pod("db-backup-0"), False),  # another one's, with the same labels
        (stateful(podManagementPolicy="Parallel"), pod(), False),  # replaced by Kubernetes
        (stateful(updateStrategy={"type": "OnDelete"}), pod(), False),
        (stateful(updateStrategy={"rollingUpdate": {"partition": 1}}), pod(), False),
        (stateful(ordinals={"start": 1}), pod("db-0"), False),
        (stateful() | {"status": {"updateRevision": NEW, "observedGeneration": 1}}, pod(), False),
        ({"metadata": {"name": "db"}}, pod(), False),
    ],
)
def test_a_pod_of_an_older_version_that_never_was_ready_holds_it_up(
    live: dict[str, Any], seen: PodState, holds: bool
) -> None:
    assert holding_up(live, [seen]) == ((seen,) if holds else ())


RUNS = {"containerStatuses": [{"name": "db", "state": {"running": {"startedAt": "x"}}}]}


@pytest.mark.parametrize(
    ("may_go", "waits", "runs"),
    [(MayGo.NOBODY, False, False), (MayGo.IDLE, True, False), (MayGo.ANYBODY, True, True)],
)
def test_who_may_go(may_go: MayGo, waits: bool, runs: bool) -> None:
    """What runs may be a database in the middle of its first start."""
    assert (may_go.allows(pod()), may_go.allows(pod(**RUNS))) == (waits, runs)


def test_waiting_for_what_runs_is_not_in_vain() -> None:
    assert trouble_with(pod()).lasting
    assert not trouble_with(pod(**RUNS)).lasting


# ------------------------------------------------------------------ against an API


def manifest(image: str, trouble: str = "") -> dict[str, Any]:
    labels = {"app": "db"}
    meta = {"labels": labels, "annotations": {"stand-in/trouble": trouble}}
    template = {"metadata": meta, "spec": {"containers": [{"name": "db", "image": image}]}}
    return {"spec": {"selector": {"matchLabels": labels}, "template": template}}


@pytest.fixture
def corrected() -> ApiInMemory:
    """A StatefulSet whose image could not be had, and whose template was corrected since."""
    api = ApiInMemory("pi1")
    api.create(SETS, "apps/v1", "StatefulSet", "db", **manifest("wrong", "image-missing"))
    api.edit(f"{SETS}/db", manifest("right"))
    return api


def wait(api: ApiInMemory, may_go: MayGo) -> ProgressDouble:
    progress = ProgressDouble()
    wait_for_rollouts(api, [DB], timeout=900, progress=progress, may_go=may_go)
    return progress


def test_a_wait_deletes_what_holds_it_up_and_says_so(corrected: ApiInMemory) -> None:
    told = wait(corrected, MayGo.IDLE).states
    assert any("deleting pod db-0" in each and "never ready" in each for each in told), told
    assert corrected.writes[-1] == f"DELETE {POD}"
    assert read_rollout(corrected, DB).missing == ""


def test_what_may_not_be_deleted_is_told_early_with_the_exact_command(
    corrected: ApiInMemory,
) -> None:
    progress = ProgressDouble()
    with pytest.raises(WaitFailed) as caught:
        wait_for_rollouts(corrected, [DB], timeout=900, progress=progress)
    assert progress.now < 60
    assert "db-0: it is of an older version" in caught.value.why
    assert "`picluster deploy --fix`" in caught.value.fix
    assert "`kubectl -n default delete pod db-0`" in caught.value.fix
    assert corrected.get(POD)


def test_a_broken_pod_of_the_present_version_is_not_deleted(corrected: ApiInMemory) -> None:
    corrected.edit(f"{SETS}/db", manifest("wrong", "image-missing"))
    with pytest.raises(WaitFailed, match="vain"):
        wait(corrected, MayGo.ANYBODY)
    assert not any(each.startswith("DELETE") for each in corrected.writes)
