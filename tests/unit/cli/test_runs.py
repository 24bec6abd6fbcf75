"""One command makes several runs at one site: it looks, lets the user confirm, and acts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.desk import FILE, everywhere
from tests.unit.phases.sites import site_on

from picluster import commands
from picluster.cli import prompts, work
from picluster.cli.context import Asked
from picluster.cli.options import Options
from picluster.cli.prompts import Prompts
from picluster.engine.journal import recorded_runs
from picluster.errors import Unreachable, UsageError
from picluster.model import parse
from picluster.site import Scope

AWAY = Unreachable("it cannot be reached over SSH", fix="look at its power")


@pytest.fixture
def nodes(tmp_path: Path) -> ShellNodes:
    return ShellNodes(tmp_path / "nodes")


@pytest.fixture
def asked(nodes: ShellNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    # The lock's script waits for the end of the run; these nodes answer when a script is over.
    monkeypatch.setattr("picluster.engine.lock.FirstThatIsThere.take", lambda self: None)
    made = replace(site_on(nodes, parse(FILE).cluster, tmp_path), scope=Scope())
    return Asked(Options(), made, Prompts())


def touched(nodes: ShellNodes) -> list[str]:
    return sorted(path.parent.name for path in nodes.base.glob("*/file"))


def typing(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(prompts, "at_a_terminal", lambda: True)
    monkeypatch.setattr(prompts, "_answer", lambda question: answer)


def destroy(asked: Asked, *, yes: bool = False, dry_run: bool = False) -> int:
    names = {"name": "home", "what": "touch all"}
    return work.destroy(asked, "reset", everywhere, **names, yes=yes, dry_run=dry_run)


def runs(asked: Asked) -> list[str]:
    found = recorded_runs(asked.site.here.state)
    return [each.name.split("-", 1)[1] for each in reversed(found)]


def test_what_is_confirmed_is_shown_first_and_done_then(
    asked: Asked, nodes: ShellNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing(monkeypatch, "home")
    assert destroy(asked) == 0
    assert touched(nodes) == ["pi1", "pi2", "pi3", "pi4"]
    assert runs(asked) == ["plan", "reset"]


def test_each_run_of_a_command_counts_its_own_connections(
    asked: Asked, nodes: ShellNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing(monkeypatch, "home")
    destroy(asked)
    (newest, *_) = recorded_runs(asked.site.here.state)
    (finished,) = [each for each in newest.events() if each["event"] == "RunFinished"]
    assert finished["connections"] == 4


@pytest.mark.parametrize("answer", ["", "hom"])
def test_what_is_not_confirmed_is_not_done(
    asked: Asked, nodes: ShellNodes, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    typing(monkeypatch, answer)
    with pytest.raises(UsageError, match="nothing was changed"):
        destroy(asked)
    assert (touched(nodes), runs(asked)) == ([], ["plan"])


def test_a_dry_run_shows_it_and_asks_nobody(asked: Asked, nodes: ShellNodes) -> None:
    assert destroy(asked, dry_run=True) == 0
    assert destroy(asked, dry_run=True, yes=True) == 0
    assert (touched(nodes), runs(asked)) == ([], ["plan", "plan-2"])


def test_where_a_node_is_missing_nobody_is_asked(asked: Asked, nodes: ShellNodes) -> None:
    nodes.refuse["pi2"] = AWAY
    assert destroy(asked) == 4
    assert touched(nodes) == []


def test_where_there_is_nothing_to_do_nobody_is_asked(asked: Asked, nodes: ShellNodes) -> None:
    assert destroy(asked, yes=True) == 0
    assert destroy(asked) == 0
    assert runs(asked) == ["reset", "plan"]


def test_a_plan_as_json_is_one_document(
    asked: Asked, capsys: pytest.CaptureFixture[str], nodes: ShellNodes
) -> None:
    given = replace(asked, given=Options(json=True))
    assert work.operate(given, "restart", everywhere, dry_run=True) == 0
    assert json.loads(capsys.readouterr().out)["cluster"] == "home"
    assert touched(nodes) == []


def test_a_look_ends_with_its_connections_closed_and_another_opens_them_anew(
    asked: Asked, nodes: ShellNodes
) -> None:
    nodes.refuse["pi2"] = AWAY
    first = work.glance(asked, "status", lambda site: commands.plan(site, everywhere))
    nodes.refuse.clear()
    second = work.glance(asked, "status", lambda site: commands.plan(site, everywhere))
    assert (list(first.unreached), list(second.unreached)) == (["pi2"], [])
