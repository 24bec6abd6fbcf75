"""The status as a screen and as a document."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from picluster.engine.step import Observation
from picluster.engine.survey import CLUSTER
from picluster.kube.nodes import NodeState
from picluster.model import parse
from picluster.phases.status import NodeStatus, PartStatus, Status, read_status
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
    assert (
        "healthy, 1 of 1 nodes Ready, 1 of 1 servers vote, the API answers, the registry answers"
        in text
    )
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
    assert "0 of 1 servers vote" in as_text(status(silent), ASCII)


@pytest.mark.parametrize("silent", ["nodes", "parts"])
def test_an_api_that_answers_only_one_question_is_not_well(silent: str) -> None:
    cluster = parse("name: home\nnodes: [{name: pi1, address: 10.0.0.1, role: server}]\n").cluster
    seen: dict[str, object] = {"nodes": {"pi1": READY}, "parts": []}
    nodes = {"pi1": {"vitals": Observation(out="uptime=9\n")}}
    well, ill = (
        read_status(cluster, {**nodes, CLUSTER: {k: Observation(value=v) for k, v in each.items()}})
        for each in (seen, seen | {silent: None})
    )
    assert (well.api, well.exit_code) == (True, 0)
    assert (ill.api, ill.exit_code) == (False, 1)


def test_a_server_is_not_said_to_vote_where_there_is_no_etcd() -> None:
    assert "vote" not in as_text(status(replace(WELL, state=replace(READY, voter=None))), UNICODE)


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
