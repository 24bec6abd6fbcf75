"""The status as a screen and as a document."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.unit.steps.looking import known

from picluster.engine.survey import CLUSTER
from picluster.errors import HostKeyChanged, Unreachable
from picluster.kube.leases import Life
from picluster.kube.nodes import NodeState
from picluster.model import parse
from picluster.queries.status import NodeStatus, PartsRunning, PartStatus, Status, read_status
from picluster.steps.k3s.nodes import Members
from picluster.steps.vitals import Vitals
from picluster.ui.status_view import as_document, as_text
from picluster.ui.words import ASCII, UNICODE

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/status.json").read_text())
GB = 1024**3
VITALS = Vitals(90061, 0.42, 4 * GB, GB, 30 * GB, 12 * GB, 52.6, (), "Raspberry Pi 5")
READY = NodeState("pi1", ready=True, version="v1.33.5+k3s1", voter=True)
WELL = NodeStatus("pi1", "server", "10.0.0.11", VITALS, READY)
GONE = NodeStatus("pi2", "agent", "10.0.0.12", None, NodeState("pi2", ready=False))
RUNNING = PartStatus("OpenTAKServer", (), "http://10.0.0.11:31080")
ILL = PartStatus("Longhorn", ("DaemonSet longhorn-system/longhorn-manager is not there",))
STRANGER = NodeStatus("old", "", "", None, NodeState("old", ready=True))


def status(
    *nodes: NodeStatus,
    api: bool = True,
    registry: bool | None = None,
    parts: tuple[PartStatus, ...] = (),
) -> Status:
    return Status("home", api, nodes, registry, ("a notice",), parts)


def test_all_well_is_zero_and_says_healthy() -> None:
    found = status(WELL, registry=True)
    assert found.exit_code == 0
    text = as_text(found, UNICODE)
    assert "healthy, 1 of 1 nodes Ready, the API answers, the registry answers" in text
    assert "53 °C" in text
    assert "a notice" in text


def test_a_node_that_is_away_is_named_and_the_exit_code_is_4() -> None:
    found = status(WELL, GONE)
    assert found.exit_code == 4
    text = as_text(found, ASCII)
    assert "cannot be reached" in text
    assert "NOT healthy" in text
    ready_and_away = status(replace(WELL, vitals=None))
    assert ready_and_away.exit_code == 4
    assert "NOT healthy" in as_text(ready_and_away, ASCII)


def test_each_trouble_alone_is_not_well() -> None:
    not_ready = NodeStatus("pi1", "server", "", VITALS, NodeState("pi1", ready=False))
    unknown = NodeStatus("pi1", "server", "", VITALS, None)
    silent = replace(WELL, state=replace(READY, voter=False, voter_reason="MemberIsLearner"))
    full = replace(WELL, state=replace(READY, pressures=("DiskPressure",)))
    for ill in (
        status(not_ready),
        status(silent),
        status(full),
        status(unknown),
        status(WELL, api=False),
        status(WELL, registry=False),
        status(WELL, parts=(ILL,)),
    ):
        assert ill.exit_code == 1, ill
        assert "NOT healthy" in as_text(ill, UNICODE)
    assert as_text(status(silent), ASCII).splitlines()[1].startswith(ASCII.failed)
    assert "does not vote" in as_text(status(silent), ASCII)


@pytest.mark.parametrize("silent", ["cluster-nodes", "parts"])
def test_an_api_that_answers_only_one_question_is_not_well(silent: str) -> None:
    cluster = parse("name: home\nnodes: [{name: pi1, address: 10.0.0.1, role: server}]\n").cluster
    answers = known(cluster_nodes=Members({"pi1": READY}), parts=PartsRunning(()))
    nothing = known(cluster_nodes=Members(None), parts=PartsRunning(None))
    nodes = {"pi1": known(vitals=Vitals(uptime=9))}
    well, ill = (
        read_status(cluster, {**nodes, CLUSTER: each})
        for each in (answers, answers | {silent: nothing[silent]})
    )
    assert (well.api, well.exit_code) == (True, 0)
    assert (ill.api, ill.exit_code) == (False, 1)


TRIO = parse(
    "name: home\nnodes:\n"
    + "".join(
        f"  - {{name: pi{number}, address: 10.0.0.{number}, role: server}}\n"
        for number in (1, 2, 3)
    )
).cluster
OFF = Unreachable("it cannot be reached over SSH", why="no answer in time")


def voting(name: str, **state: Any) -> NodeState:
    """What the cluster goes on saying of a server, alive or not."""
    roles = frozenset({"control-plane", "etcd"})
    return replace(NodeState(name, ready=True, voter=True, roles=roles), **state)


ALL_VOTE = {name: voting(name) for name in ("pi1", "pi2", "pi3")}


def seen(
    nodes: dict[str, NodeState] | None, answering: list[str], *, reached: str = "pi1 pi2 pi3"
) -> Status:
    there = {name: known(vitals=Vitals(uptime=9)) for name in reached.split()}
    cluster = known(
        cluster_nodes=Members(nodes),
        servers_that_answer=tuple(answering),
        parts=PartsRunning(() if nodes else None),
    )
    away = {name: OFF for name in ALL_VOTE if name not in there}
    return read_status(TRIO, {**there, CLUSTER: cluster}, (), away)


def test_votes_are_counted_among_the_servers_that_answer_now() -> None:
    """K3s leaves `EtcdIsVoter` at True on a server that is off: it says membership, not life."""
    now = seen(ALL_VOTE, ["pi1", "pi2"], reached="pi1 pi2")
    assert now.exit_code == 4
    text = as_text(now, UNICODE)
    assert "2 of 3 servers answer; the next loss stops the cluster" in text
    assert "it cannot be reached over SSH: no answer in time" in text
    assert "vote" not in text
    whole = as_text(seen(ALL_VOTE, ["pi1", "pi2", "pi3"]), UNICODE)
    assert "3 of 3 servers answer, the API answers" in whole


def test_a_server_that_only_learns_answers_and_does_not_vote() -> None:
    learner = voting("pi3", voter=False, voter_reason="MemberIsLearner")
    text = as_text(seen(ALL_VOTE | {"pi3": learner}, ["pi1", "pi2", "pi3"]), UNICODE)
    assert "3 of 3 servers answer, 2 vote; the next loss stops the cluster" in text


def test_a_server_that_says_ready_and_was_not_heard_of_is_not_ready() -> None:
    silent = voting("pi3", life=Life(90.0, 40.0))
    now = seen(ALL_VOTE | {"pi3": silent}, ["pi1", "pi2", "pi3"])
    assert now.exit_code == 1
    text = as_text(now, UNICODE)
    assert "2 of 3 nodes Ready" in text
    assert "says Ready, and was not heard of for 90 s" in text
    assert as_document(now)["nodes"][2]["ready"] is False


def test_what_a_silent_api_does_not_tell_is_said_to_be_unknown() -> None:
    now = seen(None, [], reached="pi1")
    assert now.exit_code == 4
    text = as_text(now, UNICODE)
    assert "not in the cluster" not in text
    assert text.count("whether it is Ready is not known") == 3
    assert "1 of 3 nodes can be reached, which are Ready is not known" in text
    assert "servers answer" not in text
    document = as_document(now)
    jsonschema.validate(document, SCHEMA)
    assert document["votes"] is None
    assert [node["ready"] for node in document["nodes"]] == [None, None, None]


def test_a_node_that_an_api_that_answers_does_not_know_is_not_in_the_cluster() -> None:
    some = {name: state for name, state in ALL_VOTE.items() if name != "pi3"}
    assert "not in the cluster" in as_text(seen(some, ["pi1", "pi2"]), UNICODE)


def test_a_changed_host_key_is_an_alarm() -> None:
    changed = HostKeyChanged("its host key is not the one that is pinned", why="expected ...")
    now = read_status(TRIO, {CLUSTER: {}}, (), {"pi1": changed})
    assert "SECURITY: its host key is not the one that is pinned" in as_text(now, UNICODE)


def test_one_server_is_not_counted() -> None:
    assert "servers answer" not in as_text(status(WELL), UNICODE)


def test_what_somebody_decided_and_what_slows_a_node_down_is_told_and_no_failure() -> None:
    throttled = replace(VITALS, throttling=("throttled since boot",))
    found = status(replace(WELL, vitals=throttled, state=replace(READY, unschedulable=True)))
    assert found.exit_code == 0
    assert {"cordoned", "throttled since boot"} <= set(found.nodes[0].troubles)


def test_a_node_that_is_not_in_the_file_is_named_and_no_failure() -> None:
    found = status(WELL, STRANGER)
    assert found.exit_code == 0
    assert "not in the file" in as_text(found, UNICODE)


def test_storage_and_applications_are_shown_with_their_address_and_what_they_lack() -> None:
    text = as_text(status(WELL, parts=(ILL, RUNNING)), ASCII)
    assert "OpenTAKServer  http://10.0.0.11:31080" in text
    assert "longhorn-manager is not there" in text


def test_it_fits_120_columns() -> None:
    assert max(map(len, as_text(status(WELL, GONE, STRANGER), UNICODE).splitlines())) <= 120


def test_the_document_is_as_its_schema_says() -> None:
    jsonschema.validate(as_document(status(WELL, GONE, STRANGER, registry=False)), SCHEMA)
    jsonschema.validate(as_document(status(WELL, parts=(ILL, RUNNING))), SCHEMA)
