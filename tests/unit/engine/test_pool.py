"""One session per node: when it is connected to, when anew, and when never again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.doubles.shell_nodes import ShellNodes

from picluster.engine.pool import Sessions
from picluster.errors import NodeError, OutOfTime, PiclusterError, Unreachable

AWAY = Unreachable("no answer", where="pi1")
ASKED = "echo asked"


def closed(session: object) -> bool:
    return bool(session.closed)  # type: ignore[attr-defined]


def test_a_node_is_connected_to_once(shell_nodes: ShellNodes) -> None:
    sessions = Sessions(shell_nodes)
    assert sessions.open_all([]) == {}
    opened = sessions.open_all(["pi1", "pi2"])
    assert sessions.get("pi1") is opened["pi1"]
    assert shell_nodes.traffic.connections == 2


def test_a_lost_session_is_closed_and_replaced_once_whoever_finds_it_lost(
    shell_nodes: ShellNodes,
) -> None:
    sessions = Sessions(shell_nodes)
    lost = sessions.get("pi1")
    new = sessions.renew("pi1", lost)
    assert (closed(lost), closed(new)) == (True, False)
    assert sessions.renew("pi1", lost) is new, "somebody else had found it lost before"
    assert sessions.renew("pi1", None) is new, "there was no session that could be lost"
    assert (closed(new), shell_nodes.traffic.connections) == (False, 2)


def test_a_node_that_was_away_is_asked_again_only_by_who_says_so(shell_nodes: ShellNodes) -> None:
    shell_nodes.refuse["pi1"] = AWAY
    sessions = Sessions(shell_nodes)
    assert sessions.open_all(["pi1"]) == {"pi1": AWAY} == sessions.away
    del shell_nodes.refuse["pi1"]
    with pytest.raises(Unreachable, match="no answer"):
        sessions.get("pi1")
    with pytest.raises(Unreachable, match="no answer"):
        sessions.read("pi1", ASKED, timeout=10)
    assert sessions.renew("pi1", None) is sessions.get("pi1")
    assert sessions.away == {}


def test_all_that_were_away_are_tried_again_when_all_are_connected_to(
    shell_nodes: ShellNodes,
) -> None:
    shell_nodes.refuse["pi1"] = AWAY
    sessions = Sessions(shell_nodes)
    sessions.open_all(["pi1"])
    del shell_nodes.refuse["pi1"]
    assert sessions.open_all(["pi1"]) == {"pi1": sessions.get("pi1")}


def test_what_fails_a_connection_otherwise_fails_its_node(shell_nodes: ShellNodes) -> None:
    shell_nodes.refuse["pi1"] = PiclusterError("no such key", why="gone", fix="make one")  # type: ignore[assignment]
    found = Sessions(shell_nodes).open_all(["pi1"])["pi1"]
    assert isinstance(found, NodeError)
    assert (found.what, found.where, found.why, found.fix) == (
        "no such key",
        "pi1",
        "gone",
        "make one",
    )


def test_a_look_is_repeated_over_a_new_connection_if_the_old_one_is_lost(
    shell_nodes: ShellNodes,
) -> None:
    sessions = Sessions(shell_nodes)
    before = sessions.get("pi1")
    shell_nodes.drop_after["pi1"] = 1
    assert sessions.read("pi1", ASKED, timeout=10).text == "asked\n"
    assert (closed(before), shell_nodes.traffic.connections) == (True, 2)


def test_a_look_that_ran_out_of_its_time_is_not_repeated(
    shell_nodes: ShellNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions(shell_nodes)

    def late(node: str) -> None:
        raise OutOfTime("it takes too long", where=node)

    monkeypatch.setattr(ShellNodes, "before_script", lambda _, node: late(node))
    with pytest.raises(OutOfTime):
        sessions.read("pi1", ASKED, timeout=10)
    assert shell_nodes.traffic.connections == 1


@pytest.mark.parametrize(
    ("end", "again"), [(Sessions.close_all, True), (Sessions.abort, False)], ids=["close", "abort"]
)
def test_what_was_closed_is_opened_again_unless_the_run_was_stopped(
    shell_nodes: ShellNodes, end: Callable[[Sessions], None], again: bool
) -> None:
    sessions = Sessions(shell_nodes)
    first = sessions.get("pi1")
    end(sessions)
    assert closed(first)
    if again:
        assert not closed(sessions.get("pi1"))
    else:
        with pytest.raises(Unreachable, match="the run was stopped"):
            sessions.get("pi1")
    assert shell_nodes.traffic.connections == 1 + again


def test_a_connection_that_is_made_while_the_run_is_stopped_is_closed(
    shell_nodes: ShellNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, made = Sessions(shell_nodes), []
    connect = ShellNodes.connect

    def stopped_meanwhile(nodes: ShellNodes, node: str) -> object:
        made.append(connect(nodes, node))
        sessions.abort()
        return made[0]

    monkeypatch.setattr(ShellNodes, "connect", stopped_meanwhile)
    with pytest.raises(Unreachable, match="the run was stopped"):
        sessions.get("pi1")
    assert [closed(each) for each in made] == [True]
