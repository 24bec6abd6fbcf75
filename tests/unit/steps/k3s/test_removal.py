"""A node that leaves: what is done in which state, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.steps.acting import place
from tests.unit.steps.k3s.looks import look, printed

from picluster.engine.step import Blocked, Change, Risk, Run, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import WaitFailed
from picluster.kube.errors import NotFound
from picluster.kube.nodes import NodeState
from picluster.kube.quorum import Allowed, Refused
from picluster.steps.k3s.maintenance import DrainNode
from picluster.steps.k3s.removal import (
    DeleteNode,
    Departed,
    Evacuated,
    Fresh,
    MajorityStays,
    Presence,
    PresenceSeen,
    Stopped,
)
from picluster.steps.k3s.state import STATE

READY = NodeState("pi1", ready=True)
CORDONED = NodeState("pi1", ready=True, unschedulable=True)
DOWN = NodeState("pi1", ready=False, ready_reason="NodeStatusUnknown")


def seen(step: Any, presence: Presence | None) -> Any:
    observed = PresenceSeen(presence)
    return step.decide(Look(CLUSTER, step.name, {CLUSTER: {step.name: observed}}))


@pytest.mark.parametrize("step", [Evacuated("pi1", 600), Departed("pi1")])
def test_without_an_api_nothing_is_taken_out_blindly(step: Any) -> None:
    assert isinstance(seen(step, None), Blocked)


@pytest.mark.parametrize("presence", [Presence(READY, 0, True), Presence(CORDONED, 2, True)])
def test_a_node_is_cordoned_and_emptied_first(presence: Presence) -> None:
    assert seen(Evacuated("pi1", 600), presence) == Change(
        "cordon and drain pi1",
        (DrainNode("pi1", "it leaves the cluster", 600, ("DaemonSet", "InstanceManager")),),
        reason="it leaves the cluster",
        risk=Risk.DRAIN,
    )


def test_an_empty_cordoned_node_may_go() -> None:
    assert seen(Evacuated("pi1", 600), Presence(CORDONED, 0, True)) == Satisfied()


def test_a_node_that_is_down_is_not_drained_and_that_is_said() -> None:
    decision = seen(Evacuated("pi1", 600), Presence(DOWN, 0, True))
    assert isinstance(decision, Satisfied)
    assert "it is not drained" in decision.warning


@pytest.mark.parametrize(
    ("presence", "reason"),
    [
        (Presence(DOWN, 0, False), "it is registered"),
        (Presence(None, 0, True), "its node password is kept"),
    ],
)
def test_object_and_password_both_have_to_go(presence: Presence, reason: str) -> None:
    assert seen(Departed("pi1"), presence) == Change(
        "delete pi1 from the cluster",
        (DeleteNode("pi1"),),
        reason=reason,
        risk=Risk.DATA_LOSS,
    )


def test_a_node_that_is_forgotten_is_left_alone() -> None:
    assert seen(Departed("pi1"), Presence(None, 0, False)) == Satisfied()


@pytest.mark.parametrize("facts", [{"active": "active"}, {"enabled": "enabled"}])
def test_a_leaving_nodes_k3s_is_stopped_for_good(facts: dict[str, str]) -> None:
    assert Stopped("k3s").decide(look("k3s-stopped", unit="k3s", **facts)) == Change(
        "stop k3s.service",
        (Run("systemctl disable --now --quiet k3s", timeout=180),),
        reason="the node leaves the cluster",
        risk=Risk.RESTART,
    )


def test_a_stopped_service_is_left_alone() -> None:
    gone = look("k3s-stopped", unit="k3s", active="inactive", enabled="disabled")
    assert Stopped("k3s").decide(gone) == Satisfied()
    assert Stopped("k3s").decide(look("k3s-stopped")) == Satisfied()


def fresh(**facts: str) -> Any:
    survey = {"pi1": {STATE.name: printed(**facts)}, CLUSTER: {}}
    return Fresh("pi1").decide(Look(CLUSTER, "fresh-machine", survey))


def test_a_machine_that_nobody_has_seen_replaces_nothing() -> None:
    unseen = Fresh("pi1").decide(Look(CLUSTER, "fresh-machine", {CLUSTER: {}}))
    assert isinstance(unseen, Blocked)
    assert unseen.missing == ("pi1",)


def test_only_a_fresh_machine_replaces_a_node() -> None:
    assert fresh() == Satisfied()
    for facts in ({"datastore": "etcd"}, {"joined": "yes"}):
        assert isinstance(fresh(**facts), Blocked)


NODE = "/api/v1/nodes/pi1"
PASSWORD = "/api/v1/namespaces/kube-system/secrets/pi1.node-password.k3s"


@pytest.fixture
def api() -> ApiInMemory:
    """A cluster of two nodes; pi1 has a pod that could move, one of Longhorn's and a password."""
    api = ApiInMemory("pi1", "pi2")
    for name, owner in (("web", "ReplicaSet"), ("copies", "InstanceManager")):
        metadata = {
            "ownerReferences": [{"kind": owner, "name": "x", "uid": "u", "controller": True}]
        }
        spec = {"nodeName": "pi1", "containers": []}
        path = "/api/v1/namespaces/default/pods"
        api.create(path, "v1", "Pod", name, spec=spec, metadata=metadata)
    path = PASSWORD.rpartition("/")[0]
    api.create(path, "v1", "Secret", "pi1.node-password.k3s")
    api.sent.clear()
    return api


def ready(api: ApiInMemory, status: str) -> None:
    conditions = [{"type": "Ready", "status": status, "reason": "x"}]
    api.edit(f"{NODE}/status", {"status": {"conditions": conditions}})


def asked(api: ApiInMemory, node: str = "pi1") -> Presence | None:
    probe = Departed(node).probe()
    assert not probe.secret
    return probe.ask(place(api).tools).presence


def test_the_cluster_is_asked_for_the_node_its_pods_and_its_password(api: ApiInMemory) -> None:
    ready(api, "True")
    found = asked(api)
    assert found is not None
    assert found.node is not None
    assert (found.node.name, found.node.ready, found.pods, found.password) == ("pi1", True, 1, True)
    assert asked(api, "pi3") == Presence(None, 0, False)


def test_the_pods_of_a_node_that_is_down_are_not_counted(api: ApiInMemory) -> None:
    ready(api, "Unknown")
    found = asked(api)
    assert found is not None
    assert found.pods == 0


def test_while_no_server_answers_nothing_is_known(api: ApiInMemory) -> None:
    api.away = True
    assert asked(api) is None


class SlowToForget(ApiInMemory):
    """The node's object stays for some looks after it was deleted, as while etcd lets it go."""

    looks = 3

    def call(self, method: str, path: str, **given: Any) -> Any:
        if method == "DELETE" and path == NODE:
            self.sent.append(f"{method} {path}")
            return {}
        if (method, path) == ("GET", NODE):
            self.looks -= 1
            if self.looks == 0:
                super().call("DELETE", NODE)
        return super().call(method, path, **given)


def test_the_password_is_freed_once_the_node_is_forgotten() -> None:
    api = SlowToForget("pi1", "pi2")
    path = PASSWORD.rpartition("/")[0]
    api.create(path, "v1", "Secret", "pi1.node-password.k3s")
    DeleteNode("pi1").perform(place(api))
    assert api.looks == 0, "it was waited for"
    with pytest.raises(NotFound):
        api.get(PASSWORD)


def test_a_password_that_is_left_of_a_node_is_freed(api: ApiInMemory) -> None:
    path = PASSWORD.rpartition("/")[0]
    api.create(path, "v1", "Secret", "pi3.node-password.k3s")
    DeleteNode("pi3").perform(place(api))
    assert asked(api, "pi3") == Presence(None, 0, False)


def test_a_node_that_does_not_go_is_told_with_what_holds_it(api: ApiInMemory) -> None:
    api = SlowToForget("pi1")
    api.looks = 10**9
    with pytest.raises(WaitFailed) as failed:
        DeleteNode("pi1").perform(place(api))
    assert failed.value.where == "pi1"
    assert "pi1 is still registered" in f"{failed.value} {failed.value.why}"


@pytest.mark.parametrize(
    ("ruling", "decision"),
    [
        (Allowed(), Satisfied()),
        (Refused("it would stop", "wait"), Blocked("it would stop", "wait")),
    ],
)
def test_a_plan_says_what_the_guard_would(ruling: object, decision: object) -> None:
    step = MajorityStays("pi1")
    seen_by_guard = {CLUSTER: {step.name: ruling}}
    assert not step.probe().secret
    assert step.decide(Look(CLUSTER, step.name, seen_by_guard)) == decision
