"""What ran before nodes were drained: which workloads those are, and waiting for them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.progress import ProgressDouble

from picluster.engine.waiting import Done, Waiting
from picluster.errors import WaitFailed
from picluster.kube.comeback import Comeback, judge_comeback, look_for, running, wait_for_comeback
from picluster.kube.drain import cordon, drain, uncordon
from picluster.kube.rollout import PATIENCE_SECONDS, Rollout
from picluster.kube.troubles import Trouble
from picluster.kube.workload import Workload

APPS = "/apis/apps/v1/namespaces/default"
DB = Workload("StatefulSet", "default", "db")
WEB = Workload("Deployment", "default", "web")
BROKEN = Workload("Deployment", "default", "broken")


def make(api: ApiInMemory, workload: Workload, *, on: str = "", **notes: str) -> None:
    labels = {"app": workload.name}
    pod: dict[str, Any] = {"containers": [{"name": "it", "image": "it:1"}]}
    if on:
        pod["nodeSelector"] = {"kubernetes.io/hostname": on}
    api.create(
        f"{APPS}/{workload.kind.lower()}s",
        "apps/v1",
        workload.kind,
        workload.name,
        metadata={"annotations": {f"stand-in/{key}": value for key, value in notes.items()}},
        spec={
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    )


@pytest.fixture
def api() -> ApiInMemory:
    """A database that can run on pi1 alone, what can run anywhere, and what never ran."""
    api = ApiInMemory("pi1", "pi2")
    for name in ("pi1", "pi2"):
        api.edit(
            f"/api/v1/nodes/{name}", {"metadata": {"labels": {"kubernetes.io/hostname": name}}}
        )
    make(api, DB, on="pi1")
    make(api, WEB)
    make(api, BROKEN, trouble="image-missing")
    return api


class Passing(ProgressDouble):
    """Time passes for pods, too; `then` happens at the first rest."""

    def __init__(self, api: ApiInMemory, then: Any = None) -> None:
        super().__init__()
        self.api, self.then = api, then

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.api.slept += seconds
        then, self.then = self.then, None
        if then:
            then()


def lose_pi1(api: ApiInMemory) -> None:
    cordon(api, "pi1", "upgrade")
    drain(api, "pi1", timeout=600, progress=Passing(api))


def make_slow(api: ApiInMemory, taint: str | None = "not-yet") -> None:
    """Have pi1, as somebody else might, take no pods for now; or take them again."""
    taints = [{"key": taint, "effect": "NoSchedule"}] if taint else None
    api.edit("/api/v1/nodes/pi1", {"spec": {"taints": taints}})


def test_what_has_all_its_pods_ready_runs(api: ApiInMemory) -> None:
    assert running(api) == (WEB, DB)
    lose_pi1(api)
    assert running(api) == (WEB,)


def test_what_is_back_is_not_looked_at_more_closely(api: ApiInMemory) -> None:
    api.sent.clear()
    assert look_for(api, (WEB, DB)) == Comeback((Rollout(WEB, ""), Rollout(DB, "")))
    assert len(api.sent) == 4, api.sent


def test_what_was_lacking_before_and_what_was_taken_away_is_not_waited_for(
    api: ApiInMemory,
) -> None:
    before = running(api)
    api.call("DELETE", f"{APPS}/deployments/web")
    assert look_for(api, before) == Comeback((Rollout(DB, ""),))


def test_whoever_is_back_last_waits_for_all() -> None:
    lacking = Rollout(DB, "has 0 of 1 pods ready")
    alone = judge_comeback(Comeback((Rollout(WEB, ""), lacking)))
    assert alone == Waiting("1 of 2 run; StatefulSet default/db has 0 of 1 pods ready", [])
    assert judge_comeback(Comeback((lacking,), out=("pi2",))) == Done()
    assert judge_comeback(Comeback((replace(lacking, missing=""),))) == Done("1 of 1 run")


@pytest.mark.parametrize(
    ("container", "patience"), [("", PATIENCE_SECONDS), ("web", math.inf)], ids=["image", "crash"]
)
def test_what_ended_for_lack_of_what_was_drained_is_given_the_time_to_start_again(
    container: str, patience: float
) -> None:
    trouble = Trouble("kind", "it ended 6 times", "fix", lasting=True, container=container)
    verdict = judge_comeback(Comeback((Rollout(WEB, "has 0 of 1", troubles=(("w", trouble),)),)))
    assert isinstance(verdict, Waiting)
    assert [each.patience for each in verdict.troubles] == [patience]


def wait(api: ApiInMemory, progress: ProgressDouble, *, timeout: float = 900) -> None:
    wait_for_comeback(api, "pi1", (WEB, DB), timeout=timeout, progress=progress)


def test_what_a_drain_took_down_is_waited_for_and_told_of(api: ApiInMemory) -> None:
    lose_pi1(api)
    make_slow(api)
    uncordon(api, "pi1")
    progress = Passing(api, then=lambda: make_slow(api, None))
    wait(api, progress)
    assert progress.now > 0
    assert running(api) == (WEB, DB)
    (told,) = progress.states
    assert told.startswith("1 of 2 run; StatefulSet default/db has 0 of 1 pods ready"), told


def test_what_cannot_come_back_ends_the_wait_early_with_the_workload_and_its_events(
    api: ApiInMemory,
) -> None:
    lose_pi1(api)
    make_slow(api)
    uncordon(api, "pi1")
    progress = Passing(api)
    with pytest.raises(WaitFailed) as caught:
        wait(api, progress)
    assert progress.now <= 60
    failed = caught.value
    assert (failed.where, failed.what) == (
        "pi1",
        "what ran before it was drained does not run again: waiting longer is in vain",
    )
    assert "StatefulSet default/db: db-0: " in failed.why
    assert "Warning FailedScheduling" in failed.evidence


def test_what_is_merely_slow_ends_at_the_limit_and_names_the_doctor(api: ApiInMemory) -> None:
    lose_pi1(api)
    make_slow(api)
    uncordon(api, "pi1")
    with pytest.raises(WaitFailed) as caught:
        wait(api, Passing(api), timeout=10)
    assert caught.value.what.endswith("does not run again: not within 10 s")
    assert "StatefulSet default/db has 0 of 1 pods ready" in caught.value.why
