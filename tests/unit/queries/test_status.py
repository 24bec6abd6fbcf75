"""How a node and a cluster are said to be, of what was seen of them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.steps.acting import place

from picluster.errors import Unreachable
from picluster.kube.leases import Life
from picluster.kube.nodes import NodeState
from picluster.kube.workload import Workload
from picluster.model import parse
from picluster.queries.components import Component
from picluster.queries.credentials import AskLogins
from picluster.queries.status import NodeStatus
from picluster.queries.validate import Verdict
from picluster.secret import Secret
from picluster.steps.vitals import Vitals

READY = NodeState("pi1", ready=True, voter=True)
WELL = NodeStatus("pi1", "server", "10.0.0.1", Vitals(uptime=9), READY)
SILENT = "says Ready, and was not heard of for 90 s"


def stated(**state: Any) -> NodeStatus:
    return replace(WELL, state=replace(READY, **state))


@pytest.mark.parametrize(
    ("node", "ready", "well", "troubles"),
    [
        (WELL, True, True, ()),
        (replace(WELL, vitals=None), True, False, ("cannot be reached",)),
        (replace(WELL, vitals=None, unreached="it is off"), True, False, ("it is off",)),
        (replace(WELL, state=None), False, False, ("not in the cluster",)),
        (
            replace(WELL, state=None, asked=False),
            None,
            False,
            ("whether it is Ready is not known",),
        ),
        (stated(ready=False), False, False, ("not Ready (no reason given)",)),
        (stated(ready=False, ready_reason="dead"), False, False, ("not Ready (dead)",)),
        (stated(life=Life(90.0, 40.0)), False, False, (SILENT,)),
        (stated(given_up=True), False, False, ()),
        (stated(unschedulable=True), True, True, ("cordoned",)),
        (stated(voter=False), True, False, ("does not vote",)),
        (stated(voter=None), True, True, ()),
        (stated(pressures=("DiskPressure",)), True, False, ("DiskPressure",)),
        (
            NodeStatus("old", "", "", None, NodeState("old", ready=True)),
            True,
            True,
            ("not in the file",),
        ),
        (replace(WELL, vitals=Vitals(uptime=9, throttling=("hot",))), True, True, ("hot",)),
    ],
)
def test_a_nodes_troubles_are_told_and_decide_whether_it_is_well(
    node: NodeStatus, ready: bool | None, well: bool, troubles: tuple[str, ...]
) -> None:
    assert (node.ready, node.well, node.troubles) == (ready, well, troubles)


# ------------------------------------------------------------------ applications


@pytest.fixture
def api() -> ApiInMemory:
    return ApiInMemory("pi1")


def test_a_component_lacks_what_does_not_run_and_an_app_what_was_never_applied(
    api: ApiInMemory,
) -> None:
    gone = Component("it", (Workload("Deployment", "default", "web"),))
    assert gone.missing(api) == ("Deployment default/web is not there",)
    assert Component("web", applied="web").missing(api) == ("was not deployed yet",)
    assert Component("it").missing(api) == ()


@pytest.mark.parametrize(
    ("text", "password"), [("b3Blbg==", Secret("open")), ("", None)], ids=["made", "empty"]
)
def test_a_password_that_was_made_is_told(
    api: ApiInMemory, text: str, password: Secret | None
) -> None:
    cluster = parse(
        "name: home\nnodes: [{name: pi1, address: 10.0.0.1, role: server}]\n"
        "rancher: {hostname: r.example.org}\n"
    ).cluster
    api.create("/api/v1/namespaces", "v1", "Namespace", "cattle-system")
    api.create(
        "/api/v1/namespaces/cattle-system/secrets",
        "v1",
        "Secret",
        "bootstrap-secret",
        data={"bootstrapPassword": text},
    )
    (login,) = AskLogins(cluster).ask(place(api).tools)
    assert (login.application, login.user, login.password) == ("Rancher", "admin", password)


# ------------------------------------------------------------------ validate


def plan(changes: int = 0, blocked: int = 0) -> Any:
    return SimpleNamespace(changes=range(changes), blocked=range(blocked))


@pytest.mark.parametrize(
    ("plans", "away", "refused", "differing", "exit_code"),
    [
        ((plan(), plan()), False, 0, 0, 0),
        ((plan(changes=1), plan()), False, 0, 0, 0),
        ((plan(), plan(changes=2), plan(blocked=1)), False, 0, 3, 1),
        ((plan(blocked=2), plan(changes=1)), False, 2, 1, 5),
        ((plan(blocked=2), plan(changes=1)), True, 2, 1, 4),
    ],
)
def test_a_verdict_counts_what_is_not_fit_apart_from_what_differs(
    plans: tuple[Any, ...], away: bool, refused: int, differing: int, exit_code: int
) -> None:
    missing = {"pi2": Unreachable("it is off")} if away else {}
    verdict = Verdict("home", cast("Any", plans), installed=True, missing=missing)
    found = (verdict.refused, verdict.differing, verdict.exit_code)
    assert found == (refused, differing, exit_code)
