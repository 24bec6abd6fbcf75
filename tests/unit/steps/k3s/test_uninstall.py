"""What a reset does with a node, with volumes, and with this computer's credentials."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.kube.kubeconfig_samples import entry
from tests.unit.steps.acting import place
from tests.unit.steps.k3s.looks import OLD, look
from tests.unit.steps.looking import printed

from picluster.engine.place import Tools
from picluster.engine.shell import shell
from picluster.engine.step import Change, Observation, Risk, Run, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.kubefile import merge_into
from picluster.steps.k3s.credentials_here import (
    CredentialsForgotten,
    CredentialsHere,
    ForgetCredentials,
    NotReached,
)
from picluster.steps.k3s.leftovers import OwnNetwork, clear_text
from picluster.steps.k3s.uninstall import UNINSTALLED, Uninstalled

OWN = OwnNetwork("10.42.0.0/16", frozenset({"10.0.0.1", "10.0.0.2"}), vip="10.0.0.5")
STEP = Uninstalled(OWN)


def said(*lines: str, snapshots: int = 0) -> Observation:
    return printed(STEP.probe(), *lines, f"snapshots={snapshots}")[UNINSTALLED]


def found(*left: str) -> Observation:
    return said(*(f"left={each}" for each in left))


EMPTY = said()


def test_a_node_without_k3s_is_left_alone() -> None:
    assert STEP.decide(look(UNINSTALLED, own=EMPTY)) == Satisfied()


@pytest.mark.parametrize(
    ("own", "version", "summary", "risk"),
    [
        (found("/etc/rancher/node"), "", "remove what is left of K3s", Risk.RESTART),
        (found("/etc/rancher/node"), OLD, f"uninstall K3s {OLD}", Risk.RESTART),
        (
            said("left=/etc/rancher/node", "database=yes", snapshots=3),
            OLD,
            f"uninstall K3s {OLD}, and delete its copy of the cluster's database and 3 etcd "
            "snapshots on it",
            Risk.DATA_LOSS,
        ),
        (
            said("left=/etc/rancher/node", snapshots=1),
            OLD,
            f"uninstall K3s {OLD}, and delete 1 etcd snapshots on it",
            Risk.DATA_LOSS,
        ),
    ],
)
def test_whatever_is_left_is_removed_and_what_is_lost_is_named(
    own: Observation, version: str, summary: str, risk: Risk
) -> None:
    decision = STEP.decide(look(UNINSTALLED, own=own, version=version))
    assert isinstance(decision, Change)
    (run,) = decision.actions
    assert isinstance(run, Run)
    assert decision == Change(summary, (run,), reason="there is /etc/rancher/node", risk=risk)
    units = "/etc/systemd/system/k3s.service", "/etc/systemd/system/k3s-agent.service.env"
    for file in (*units, "/usr/local/bin/k3s-killall.sh", "/usr/local/bin/k3s-agent-uninstall.sh"):
        assert file in run.script, "it would be left behind"
    stopped, cleared, removed = (
        run.script.index(each)
        for each in (
            shell("picluster.steps.k3s", "stop_k3s"),
            clear_text(OWN, []),
            "kubectl crictl ctr",
        )
    )
    assert stopped < cleared < removed, "K3s stops first, and files go last"


def test_the_script_removes_flannels_routes_and_no_others() -> None:
    own = said(
        "route=10.42.1.0/24 via 10.0.0.2 dev eth0",
        "route=10.42.2.0/24 via 10.0.0.77 dev eth0",
        "route=192.168.7.0/24 via 10.0.0.2 dev eth0",
    )
    decision = STEP.decide(look(UNINSTALLED, own=own))
    assert isinstance(decision, Change)
    assert decision.reason == "there is the route to 10.42.1.0/24 via 10.0.0.2 dev eth0"
    (action,) = decision.actions
    assert isinstance(action, Run)
    assert "ROUTES='10.42.1.0/24 10.0.0.2 eth0'\n" in action.script
    assert "VIP=10.0.0.5\n" in action.script
    assert "10.0.0.77" not in action.script


FORGOTTEN = CredentialsForgotten(
    "home", STEP, ("pi1", "pi2"), (Path("/state/token"),), Path("/kube/config")
)


def forgotten(
    pi1: Observation, pi2: Observation | None, planned: frozenset[tuple[str, str]] = frozenset()
) -> object:
    survey = {
        "pi1": {UNINSTALLED: pi1},
        "pi2": {UNINSTALLED: pi2} if pi2 else {},
        CLUSTER: {FORGOTTEN.name: ("/state/token",)},
    }
    return FORGOTTEN.decide(Look(CLUSTER, FORGOTTEN.name, survey, planned))


def test_credentials_go_with_the_last_node() -> None:
    gone = Change(
        "remove /state/token",
        (ForgetCredentials(FORGOTTEN.probe()),),
        reason="the cluster is gone",
    )
    assert forgotten(EMPTY, EMPTY) == gone
    going = frozenset({("pi2", UNINSTALLED)})
    assert forgotten(EMPTY, found("/usr/local/bin/k3s"), going) == gone


def test_only_what_opens_the_cluster_is_removed(tmp_path: Path) -> None:
    token, snapshot, user = (tmp_path / name for name in ("token", "snapshot", "config"))
    for path in (token, snapshot):
        path.touch()
    merge_into(user, entry("home", "https://192.0.2.10:6443"))
    merge_into(user, entry("other", "https://192.0.2.20:6443"))
    here = CredentialsHere("home", (token, tmp_path / "kubeconfig"), user)
    assert here.ask(Tools()) == (str(token), f"the context home in {user}")
    ForgetCredentials(here).perform(place())
    assert here.ask(Tools()) == ()
    assert snapshot.exists()
    assert "other" in user.read_text()


@pytest.mark.parametrize("other", [None, found("/usr/local/bin/k3s")])
def test_credentials_stay_while_a_node_has_the_cluster(other: Observation | None) -> None:
    decision = forgotten(EMPTY, other)
    assert isinstance(decision, Satisfied)
    assert "pi2" in decision.warning


def test_unreachable_nodes_are_named() -> None:
    decision = NotReached(["pi2"], "it is left as it is").decide(Look(CLUSTER, "x", {}))
    assert isinstance(decision, Satisfied)
    assert "pi2 cannot be reached" in decision.warning
