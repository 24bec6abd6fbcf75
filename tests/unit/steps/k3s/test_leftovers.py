"""What K3s leaves on a running machine: which of it is certainly K3s's, and when it goes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.steps.looking import printed

from picluster.engine.shell import shell
from picluster.engine.step import Change, Decision, Risk, Run, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.facts.routes import Route, read_route
from picluster.kube.nodes import NodeState
from picluster.model import parse
from picluster.steps.k3s.leftovers import (
    LEFTOVERS,
    Cleared,
    OwnNetwork,
    Traces,
    flannels,
    own_network,
)
from picluster.steps.k3s.nodes import MEMBERS, Members

PODS = "10.42.0.0/16"
OWN = OwnNetwork(PODS, frozenset({"10.0.0.1", "10.0.0.2"}))
STEP = Cleared(OWN)
HOST_GW = "10.42.1.0/24 via 10.0.0.2 dev eth0"


def route(line: str) -> Route:
    found = read_route(line)
    assert found is not None, line
    return found


def decide(
    *lines: str, nodes: dict[str, NodeState] | None = None, pi2: str = "in_use=k3s"
) -> Decision:
    survey = {
        "pi1": printed(STEP.probe(), *lines),
        "pi2": printed(STEP.probe(), pi2),
        CLUSTER: {MEMBERS.name: Members(nodes)},
    }
    return STEP.decide(Look("pi1", LEFTOVERS, survey))


def removed(decision: Decision) -> str:
    """What the script of a change is told to remove of the routes."""
    assert isinstance(decision, Change), decision
    (action,) = decision.actions
    assert isinstance(action, Run)
    return next(line for line in action.script.splitlines() if line.startswith("ROUTES="))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (HOST_GW, True),
        (f"{HOST_GW} onlink", True),
        ("10.42.1.0/24 via 10.0.0.99 dev eth0", False),  # through a machine that is no node
        ("10.42.1.0/24 via 10.0.0.2 dev eth0 proto static", False),  # somebody's who says so
        ("10.42.1.0/24 via 10.0.0.2 dev eth0 proto dhcp metric 100", False),
        ("10.42.0.0/16 via 10.0.0.2 dev eth0", False),  # a person's: flannel sets parts
        ("10.0.0.0/8 via 10.0.0.2 dev eth0", False),
        ("10.43.0.0/24 via 10.0.0.2 dev eth0", False),
        ("10.42.1.0/24 dev eth0 scope link", False),
        ("10.42.1.0/24 via 10.42.1.0 dev flannel.1 onlink", False),  # goes with the interface
        ("fd00:42::/64 via fd00::2 dev eth0 metric 1024", False),
    ],
)
def test_only_routes_that_nobody_but_flannel_can_have_set_are_its_own(
    line: str, expected: bool
) -> None:
    assert flannels(Traces(routes=(route(line),)), OWN) == ([route(line)] if expected else [])


def test_flannels_own_note_vouches_for_gateways_that_are_in_no_file() -> None:
    gone = route("10.42.1.0/24 via 10.0.0.99 dev eth0")
    for noted, expected in ((PODS, [gone]), ("10.44.0.0/16", []), ("nonsense", [])):
        assert flannels(Traces(routes=(gone,), noted=(noted,)), OWN) == expected


def test_the_routes_of_an_ipv6_cluster_are_known_too() -> None:
    six = route("fd00:42:0:1::/64 via fd00::2 dev eth0 metric 1024")
    own = OwnNetwork("fd00:42::/56", frozenset({"fd00::2"}))
    assert flannels(Traces(routes=(six,)), own) == [six]


@pytest.mark.parametrize(
    "line", ["", "default via 10.0.0.1", "unreachable 10.42.1.0/24", "$(x) via"]
)
def test_what_leads_nowhere_or_is_no_route_is_none(line: str) -> None:
    assert read_route(line) is None


def test_a_machine_without_leftovers_is_left_alone() -> None:
    assert decide("address=10.0.0.1", "route=default via 10.0.0.254 dev eth0") == Satisfied()


def test_what_a_former_k3s_left_goes_and_is_named() -> None:
    decision = decide(f"route={HOST_GW}", "left=interface cni0", "left=process 7 (pause)")
    assert isinstance(decision, Change)
    assert decision.risk is Risk.RESTART, "a process ends"
    assert decision.reason == (
        f"K3s is not installed, and there are the route to {HOST_GW}, interface cni0, "
        "process 7 (pause)"
    )
    assert removed(decision) == "ROUTES='10.42.1.0/24 10.0.0.2 eth0'"


def test_what_another_kubernetes_may_use_is_left_alone() -> None:
    lines = (f"route={HOST_GW}", STALE, "flannel=10.42.0.0/16", "in_use=kubelet")
    assert decide(*lines, nodes=PIS) == Satisfied()


def test_a_route_of_somebody_else_is_never_removed() -> None:
    mine = "route=10.42.9.0/24 via 10.0.0.99 dev eth0"
    assert decide(mine) == Satisfied()
    assert "10.42.9" not in removed(decide(mine, "left=interface cni0"))


def test_a_gateway_is_known_by_what_another_node_says_of_itself() -> None:
    line = "route=10.42.1.0/24 via 192.168.9.2 dev wlan0"
    assert decide(line) == Satisfied()
    assert "192.168.9.2" in removed(decide(line, pi2="address=192.168.9.2"))


PIS = {
    "pi1": NodeState("pi1", ready=True, pod_cidrs=("10.42.0.0/24",)),
    "pi2": NodeState("pi2", ready=True, pod_cidrs=("10.42.1.0/24",)),
}
IN_USE = ("flannel=10.42.0.0/16", "in_use=k3s.service")
STALE = "route=10.42.7.0/24 via 10.0.0.99 dev eth0"


def test_where_k3s_runs_its_routes_stay() -> None:
    assert decide(f"route={HOST_GW}", *IN_USE, nodes=PIS) == Satisfied()


def test_a_route_to_a_node_that_left_while_k3s_did_not_run_goes() -> None:
    decision = decide(f"route={HOST_GW}", STALE, *IN_USE, nodes=PIS)
    assert isinstance(decision, Change)
    assert decision.summary == "remove the route to 10.42.7.0/24 via 10.0.0.99 dev eth0"
    assert removed(decision) == "ROUTES='10.42.7.0/24 10.0.0.99 eth0'"


@pytest.mark.parametrize("nodes", [None, {}])
def test_nothing_is_removed_while_the_cluster_cannot_say_who_is_in_it(
    nodes: dict[str, NodeState] | None,
) -> None:
    assert decide(STALE, *IN_USE, nodes=nodes) == Satisfied()


def test_a_route_to_a_node_of_the_file_that_may_just_be_joining_stays() -> None:
    joining = "route=10.42.7.0/24 via 10.0.0.2 dev eth0"
    assert decide(joining, *IN_USE, nodes={"pi1": PIS["pi1"]}) == Satisfied()


def test_the_file_says_which_network_is_its_own() -> None:
    cluster = parse(
        "name: home\nk3s: {cluster_cidr: 10.60.0.0/16, vip: {address: 10.0.0.5}}\n"
        "ssh: {user: pi}\nnodes:\n"
        "- {name: pi1, address: 10.0.0.1, role: server}\n"
        "- {name: pi2, address: pi2.local, role: agent, k3s: {node_ip: 10.0.0.2}}\n"
    ).cluster
    assert own_network(cluster) == OwnNetwork(
        "10.60.0.0/16", frozenset({"10.0.0.1", "10.0.0.2"}), "10.0.0.5"
    )


def test_longhorns_iscsi_sessions_are_told_from_others_by_their_target(tmp_path: Path) -> None:
    """longhorn/go-iscsi-helper gives its targets this name; the lab's kernel has no iSCSI."""
    for number, target in (("3", "iqn.2019-10.io.longhorn:pvc-1"), ("4", "iqn.2004-04.com.qnap:x")):
        session = tmp_path / f"class/iscsi_session/session{number}"
        session.mkdir(parents=True)
        (session / "targetname").write_text(f"{target}\n")
    listing = shell("picluster.steps.k3s", "leftovers", SYS=tmp_path, DATA_DIR="/none", VIP="")
    said = subprocess.run(
        ["sh", "-c", f"{listing}iscsi_sessions"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "3\n"


HOSTILE = "x'; touch /tmp/x; '"


def test_values_reach_shell_quoted() -> None:
    text = shell("picluster.steps.k3s", "remove_routes", ROUTES=HOSTILE)
    said = subprocess.run(
        ["sh", "-c", text.splitlines()[0] + '\nprintf %s "$ROUTES"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == HOSTILE


def test_the_look_is_posix_shell() -> None:
    subprocess.run(["sh", "-n"], input=STEP.probe().text, text=True, check=True)
