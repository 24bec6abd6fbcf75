"""What a reset does with a node, with volumes, and with this computer's credentials."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.steps.k3s.looks import OLD, look

from picluster.engine.step import Change, Observation, Risk, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.steps.data import DataDeleted, DataKept
from picluster.steps.k3s.farewell import CredentialsForgotten, NotReached
from picluster.steps.k3s.uninstall import UNINSTALLED, Uninstalled

EMPTY = Observation(out="snapshots=0\n")


def found(*left: str, more: str = "") -> Observation:
    return Observation(out="".join(f"left={each}\n" for each in left) + f"snapshots=0\n{more}")


def test_a_node_without_k3s_is_left_alone() -> None:
    assert Uninstalled().decide(look(UNINSTALLED, own=EMPTY)) == Satisfied()


def test_a_single_left_over_file_is_enough_to_clean_again() -> None:
    decision = Uninstalled().decide(look(UNINSTALLED, own=found("/etc/rancher/node")))
    assert isinstance(decision, Change)
    assert "/etc/rancher/node" in decision.reason
    assert decision.risk is Risk.RESTART


def test_a_database_and_snapshots_that_will_be_lost_are_named() -> None:
    seen = Observation(out="left=/usr/local/bin/k3s\ndatabase=yes\nsnapshots=3\n")
    decision = Uninstalled().decide(look(UNINSTALLED, own=seen, version=OLD))
    assert isinstance(decision, Change)
    assert decision.risk is Risk.DATA_LOSS
    assert "copy of the cluster's database" in decision.summary
    assert "3 etcd snapshots" in decision.summary


def measured(step: DataKept | DataDeleted, out: str) -> object:
    return step.decide(Look("pi1", step.name, {"pi1": {step.name: Observation(out=out)}}))


@pytest.mark.parametrize("step", [DataKept("photos", "/data"), DataDeleted("photos", "/data")])
def test_where_there_is_no_data_there_is_nothing_to_say(step: DataKept | DataDeleted) -> None:
    assert measured(step, "") == Satisfied()


def test_data_is_named_with_its_size_before_it_is_deleted() -> None:
    decision = measured(DataDeleted("photos", "/data"), "there=yes\nbytes=3400000\n")
    assert isinstance(decision, Change)
    assert decision.summary == "DELETE photos in /data (3.4 MB)"
    assert decision.risk is Risk.DATA_LOSS


def test_data_that_stays_is_named_too() -> None:
    decision = measured(DataKept("photos", "/data"), "there=yes\nbytes=\n")
    assert isinstance(decision, Satisfied)
    assert "/data" in decision.warning
    assert "--data" in decision.warning


STEP = CredentialsForgotten("home", ["pi1", "pi2"], [Path("/state/token")], Path("/kube/config"))


def forgotten(
    pi1: Observation, pi2: Observation | None, planned: frozenset[tuple[str, str]] = frozenset()
) -> object:
    survey = {
        "pi1": {UNINSTALLED: pi1},
        "pi2": {UNINSTALLED: pi2} if pi2 else {},
        CLUSTER: {STEP.name: Observation(value=["/state/token"])},
    }
    return STEP.decide(Look(CLUSTER, STEP.name, survey, planned))


def test_credentials_go_with_the_last_node() -> None:
    assert isinstance(forgotten(EMPTY, EMPTY), Change)
    assert isinstance(
        forgotten(EMPTY, found("/usr/local/bin/k3s"), frozenset({("pi2", UNINSTALLED)})), Change
    )


@pytest.mark.parametrize("other", [None, found("/usr/local/bin/k3s")])
def test_credentials_stay_while_a_node_has_the_cluster(other: Observation | None) -> None:
    decision = forgotten(EMPTY, other)
    assert isinstance(decision, Satisfied)
    assert "pi2" in decision.warning


def test_unreachable_nodes_are_named() -> None:
    decision = NotReached(["pi2"], "it is left as it is").decide(Look(CLUSTER, "x", {}))
    assert isinstance(decision, Satisfied)
    assert "pi2 cannot be reached" in decision.warning
