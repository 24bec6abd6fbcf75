"""What a drain took down is waited for once the node takes pods, and a run that drains nobody asks
nothing."""

from __future__ import annotations

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.steps.acting import place
from tests.unit.steps.k3s.looks import NEW, OLD

from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.workload import Workload
from picluster.steps.k3s.back_again import AwaitComeback, BackAgain, RunningBeforeUpgrade
from picluster.steps.k3s.maintenance import DRAINED, UNCORDONED

DB = Workload("StatefulSet", "store", "store")
BEFORE = RunningBeforeUpgrade(NEW)


def decided(*planned: str, before: tuple[Workload, ...] = (DB,)) -> Decision:
    step = BackAgain("pi1", BEFORE, 1200)
    survey = {"pi1": {}, CLUSTER: {BEFORE.name: before}}
    return step.decide(Look("pi1", step.name, survey, frozenset(("pi1", each) for each in planned)))


def test_once_the_node_takes_pods_again_what_ran_before_is_waited_for() -> None:
    assert decided(UNCORDONED) == Change(
        "wait until what ran before pi1 was drained runs again",
        (AwaitComeback("pi1", (DB,), 1200),),
        reason="pods that can run nowhere else were down meanwhile",
    )


@pytest.mark.parametrize("planned", [(), (DRAINED,)], ids=["nothing", "the drain alone"])
def test_nothing_is_waited_for_while_the_node_takes_no_pods(planned: tuple[str, ...]) -> None:
    assert decided(*planned) == Satisfied()


def test_where_nothing_ran_before_nothing_is_waited_for() -> None:
    assert decided(UNCORDONED, before=()) == Satisfied()


@pytest.fixture
def api() -> ApiInMemory:
    """A cluster of two nodes of one version, with a Deployment that runs."""
    api = ApiInMemory("pi1", "pi2")
    version = {"status": {"nodeInfo": {"kubeletVersion": NEW}}}
    for name in ("pi1", "pi2"):
        api.edit(f"/api/v1/nodes/{name}/status", version)
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    api.create(path, "apps/v1", "Deployment", "web", spec=spec)
    api.sent.clear()
    return api


def test_where_every_node_has_the_version_only_the_nodes_are_asked(api: ApiInMemory) -> None:
    at = place(api)
    assert RunningBeforeUpgrade(NEW).ask(at.tools) == ()
    assert api.sent == ["GET /api/v1/nodes"]
    web = Workload("Deployment", "default", "web")
    assert RunningBeforeUpgrade(OLD).ask(at.tools) == (web,)
    AwaitComeback("pi1", (web,), 60).perform(at)


def test_a_cluster_that_cannot_be_asked_has_nothing_to_come_back(api: ApiInMemory) -> None:
    api.away = True
    assert RunningBeforeUpgrade(OLD).ask(place(api).tools) == ()
