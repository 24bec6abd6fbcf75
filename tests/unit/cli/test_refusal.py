"""A preflight refusal: `up`, `plan` and `validate` agree on it, and nothing was changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.sites import site_on
from tests.unit.ui.samples import Decided

from picluster import commands
from picluster.engine.events import Event, RunFinished
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Blocked, Satisfied
from picluster.errors import PreflightRefused
from picluster.model import Cluster, parse
from picluster.queries import validate
from picluster.site import Site


@pytest.fixture
def nodes(tmp_path: Path) -> ShellNodes:
    return ShellNodes(tmp_path / "nodes")


@pytest.fixture
def site(nodes: ShellNodes, tmp_path: Path) -> Site:
    text = "name: home\nnodes:\n  - name: pi1\n    address: 10.0.0.1\n    role: server\n"
    return site_on(nodes, parse(text).cluster, tmp_path)


@pytest.fixture(autouse=True)
def _unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    def preflight(cluster: Cluster) -> Phase:
        step = Decided("arch", "the system is 64-bit", Blocked("32-bit userland", "flash it"))
        return Phase("preflight", "nodes are fit", (Stage("fit", {"pi1": [step]}),))

    def prepare(site: object) -> Phase:
        step = Decided("s", "so", Satisfied())
        return Phase("prepare", "nodes are ready", (Stage("ready", {"pi1": [step]}),))

    for module in (commands, validate):
        monkeypatch.setattr(module, "preflight", preflight)
    monkeypatch.setitem(commands.PHASES, "prepare", prepare)


def test_up_ends_with_5_before_any_other_phase(site: Site, nodes: ShellNodes) -> None:
    events: list[Event] = []
    with pytest.raises(PreflightRefused, match="32-bit userland") as refused:
        commands.up(replace(site, emit=events.append), ["prepare"])
    assert refused.value.exit_code == 5
    assert list(nodes.root("pi1").iterdir()) == []
    assert {getattr(event, "phase", "preflight") for event in events} == {"preflight"}
    assert isinstance(events[-1], RunFinished)
    assert events[-1].exit_code == 5


def test_a_plan_shows_the_refusal_first(site: Site) -> None:
    seen = commands.plan_up(site, ["prepare"])
    assert [plan.phase for plan in seen.plans] == ["preflight", "prepare"]
    assert seen.plans[0].blocked
    assert seen.exit_code == 5


def test_validate_is_not_ok(site: Site) -> None:
    verdict = validate.validate(site)
    assert (verdict.exit_code, verdict.refused, verdict.installed) == (5, 1, False)
