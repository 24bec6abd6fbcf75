"""Who keeps two runs apart, and who is asked before a server is disturbed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.phases.desk import Desk, everywhere
from tests.unit.phases.sites import reached_by
from tests.unit.phases.test_missing_nodes import site

from picluster import commands
from picluster.engine.lock import WorkstationLock
from picluster.errors import Locked, PreflightRefused, Unreachable
from picluster.kube.nodes import NodeState
from picluster.kube.quorum import Allowed
from picluster.steps.k3s.guard import QuorumGuard


def test_a_run_that_another_of_this_computer_keeps_out_changes_nothing(desk: Desk) -> None:
    made = desk.site()
    other = WorkstationLock(made.here.lock)
    other.take()
    with pytest.raises(Locked):
        commands.operate(made, everywhere)
    assert desk.touched == []
    other.release()
    assert commands.operate(desk.site(), everywhere) == 0
    assert desk.touched == ["pi1", "pi2", "pi3", "pi4"]


def test_a_run_takes_the_clusters_lock_before_its_first_change(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(_: object) -> None:
        assert desk.touched == []
        raise Locked("another picluster run is working on this cluster", fix="wait")

    monkeypatch.setattr("picluster.engine.lock.FirstThatIsThere.take", taken)
    with pytest.raises(Locked):
        commands.operate(desk.site(), everywhere)
    assert desk.touched == []


def test_an_operation_changes_only_the_nodes_that_it_was_asked_to(desk: Desk) -> None:
    assert commands.operate(desk.site(only=("pi2",)), everywhere) == 0
    assert desk.touched == ["pi2"]


class Cluster:
    """The API of three servers, of which `down` are not Ready and do not answer."""

    def __init__(self, *down: str) -> None:
        self.down = down

    def nodes(self) -> dict[str, NodeState]:
        labels = {"node-role.kubernetes.io/control-plane": "true"}
        return {
            name: NodeState(
                name,
                ready=name not in self.down,
                labels=labels,
                roles=frozenset({"control-plane", "etcd"}),
            )
            for name in ("pi1", "pi2", "pi3")
        }

    def access(self) -> Cluster:
        return self

    def at(self, node: str) -> Any:
        return Answers(node not in self.down)


class SilentAltogether(Cluster):
    """The same servers: the cluster's API gives no list of nodes, whoever answers for itself."""

    def nodes(self) -> Any:
        return None


class Answers:
    """One server's own API."""

    clock = None

    def __init__(self, well: bool) -> None:
        self.well = well

    def call(self, method: str, path: str, **given: Any) -> str:
        if not self.well:
            raise PreflightRefused("no answer", fix="none")
        return "ok"


def guarded(*down: str) -> QuorumGuard:
    return reached_by(site(), Cluster(*down)).guard


def test_the_guard_lets_one_server_be_disturbed_while_the_others_are_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("picluster.steps.k3s.guard.readyz", ready)
    guarded().before_disruption("pi1")
    with pytest.raises(PreflightRefused, match="pi2 is not Ready"):
        guarded("pi2").before_disruption("pi1")
    guarded("pi2").before_disruption("pi2")


def test_the_guard_of_removals_wants_the_majority_of_what_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("picluster.steps.k3s.guard.readyz", ready)
    guarded().before_removal("pi3")
    with pytest.raises(PreflightRefused):
        guarded("pi1", "pi2").before_removal("pi3")


class WithAnAgent(Cluster):
    """The same three servers, and pi4, an agent."""

    def nodes(self) -> dict[str, NodeState]:
        return super().nodes() | {"pi4": NodeState("pi4", ready=True)}


def test_an_agent_may_leave_whatever_the_servers_are_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("picluster.steps.k3s.guard.readyz", asked_for_nothing)
    guard = reached_by(site(), WithAnAgent("pi1", "pi2")).guard
    assert guard.on_removal("pi4") == Allowed()


def test_a_server_that_is_down_may_be_disturbed_and_not_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("picluster.steps.k3s.guard.readyz", ready)
    guard = guarded("pi1", "pi2")
    guard.before_disruption("pi1")
    with pytest.raises(PreflightRefused, match="pi2 is not Ready") as refused:
        guard.before_removal("pi1")
    assert refused.value.where == "pi1"


@pytest.mark.parametrize(
    ("down", "why"),
    [
        (("pi1", "pi2", "pi3"), "no server's API works"),
        (("pi1",), "though pi2, pi3 should work"),
    ],
)
def test_nobody_is_removed_while_the_api_is_silent(
    monkeypatch: pytest.MonkeyPatch, down: tuple[str, ...], why: str
) -> None:
    monkeypatch.setattr("picluster.steps.k3s.guard.readyz", ready)
    with pytest.raises(PreflightRefused, match=why):
        reached_by(site(), SilentAltogether(*down)).guard.before_removal("pi1")


class Silent:
    """The API that nobody answers for."""

    def nodes(self) -> None:
        return None


class Machines:
    """Servers over SSH: those that hold data, those that do not, and the others are away."""

    def __init__(self, **holds: bool) -> None:
        self.holds = holds

    def get(self, node: str) -> Machine:
        if node not in self.holds:
            raise Unreachable("it cannot be reached over SSH", where=node, fix="switch it on")
        return Machine(self.holds[node])


class Machine:
    """One of them: `test -e` of its data."""

    def __init__(self, holds: bool) -> None:
        self.holds = holds

    def run(self, script: str, **given: object) -> Any:
        assert "/db/etcd" in script
        return SimpleNamespace(status=0 if self.holds else 1)


@pytest.mark.parametrize(
    ("holding", "refused"),
    [
        pytest.param({"pi1": True, "pi2": True, "pi3": False}, True, id="two of a cluster"),
        pytest.param({"pi1": True, "pi2": False}, True, id="one that is away may be the other"),
        pytest.param({"pi1": True, "pi2": False, "pi3": False}, False, id="the only one"),
        pytest.param({"pi1": False, "pi2": True, "pi3": True}, False, id="one still to join"),
        pytest.param({"pi1": False, "pi2": False}, False, id="a new one beside one that is away"),
        pytest.param({"pi2": False, "pi3": True}, True, id="one that cannot be asked"),
    ],
)
def test_while_the_api_is_silent_who_holds_data_is_not_disturbed_if_others_may(
    holding: dict[str, bool], refused: bool
) -> None:
    blind = reached_by(site(), Silent(), Machines(**holding)).guard
    if refused:
        with pytest.raises(PreflightRefused, match="nobody can tell whether it survives this"):
            blind.before_disruption("pi1")
    else:
        blind.before_disruption("pi1")


def ready(api: Answers) -> Any:
    from picluster.kube.health import Readyz  # noqa: PLC0415  # for this double

    return Readyz(answers=api.well, ok=api.well)


def asked_for_nothing(_: Answers) -> Any:
    raise AssertionError("a server was asked")
