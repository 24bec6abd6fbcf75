"""Events as evidence."""

from __future__ import annotations

from typing import Any

from tests.unit.kube.kube_double import Cluster

from picluster.kube.events import EventLine, event_line, fetch_events, format_events, quote_events
from picluster.secret import Secret


def put(cluster: Cluster, number: int, **extra: Any) -> None:
    event = {
        "metadata": {"name": f"e{number}", "creationTimestamp": f"2025-01-01T00:00:{number:02}Z"},
        "involvedObject": {"kind": "Node", "name": "s1"},
        "type": "Warning",
        "reason": "Rebooted",
        "message": "Node s1  has been\nrebooted",
        "source": {"component": "kubelet"},
        "count": number,
        **extra,
    }
    cluster.store.put(f"/api/v1/namespaces/default/events/e{number}", event)


def test_the_latest_come_last_and_others_are_left_out(cluster: Cluster) -> None:
    for number in (3, 1, 2):
        put(cluster, number)
    put(cluster, 9, involvedObject={"kind": "Node", "name": "s2"})
    found = fetch_events(cluster.access, "Node", "s1", limit=2)
    assert [event.count for event in found] == [2, 3]
    assert str(found[-1]) == (
        "2025-01-01T00:00:03Z Warning Rebooted x3: Node s1 has been rebooted (kubelet)"
    )
    assert fetch_events(cluster.access, "Node", "s1", namespace="default", limit=1) == [found[-1]]
    assert fetch_events(cluster.access, "Node", "s1", limit=0) == []


def test_events_of_the_newer_form_are_read() -> None:
    event = {
        "eventTime": "2025-01-01T00:00:00.000000Z",
        "series": {"count": 4, "lastObservedTime": "2025-01-01T00:05:00.000000Z"},
        "reportingComponent": "scheduler",
        "reason": "FailedScheduling",
        "message": f"head {'no node fits; ' * 72}the cause",
        "lastTimestamp": None,
    }
    line = event_line(event)
    assert (line.at, line.count, line.source) == ("2025-01-01T00:05:00.000000Z", 4, "scheduler")
    assert len(line.message) > 999, "what is known is looked up in all of it"
    assert 300 < len(str(line)) < 450
    assert "head no node" in str(line)
    assert "fits; the cause (scheduler)" in str(line), "what went wrong stands at the end"


def test_secrets_are_masked() -> None:
    Secret("hunter2hunter2")
    assert "hunter2" not in str(event_line({"message": "password hunter2hunter2 refused"}))


def test_an_empty_event_is_read() -> None:
    assert event_line({}) == EventLine("", "Normal", "", "")
    assert format_events([]) == "no events"


def test_quoting_never_fails(cluster: Cluster) -> None:
    put(cluster, 1)
    assert quote_events(cluster.access, "Node", "s1").startswith("events of Node s1:\n2025")
    cluster.stop("s1")
    assert "could not be read: s1 (tunnel)" in quote_events(cluster.access, "Node", "s1")
