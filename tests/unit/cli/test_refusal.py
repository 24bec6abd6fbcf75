"""A preflight refusal: `up`, `plan` and `validate` agree on it, and nothing was changed."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.ui.samples import Decided

from picluster import commands
from picluster.commands import Job
from picluster.engine.events import Event, RunFinished
from picluster.engine.phase import Phase, Stage
from picluster.engine.pool import Sessions
from picluster.engine.step import Blocked, Satisfied
from picluster.errors import PreflightRefused
from picluster.model import Cluster, parse


def job_on(tmp_path: Path, events: list[Event]) -> tuple[Job, ShellNodes]:
    nodes = ShellNodes(tmp_path / "nodes")
    text = "name: home\nnodes:\n  - name: pi1\n    address: 10.0.0.1\n    role: server\n"
    job = Job(
        command="up",
        file=tmp_path / "cluster.yaml",
        cluster=parse(text).cluster,
        sessions=Sessions(nodes),
        traffic=nodes.traffic,
        state=tmp_path / "state",
        cache=tmp_path / "cache",
        user_kubeconfig=tmp_path / "kubeconfig",
        emit=events.append,
        stop=threading.Event(),
        phases=["prepare"],
    )
    return job, nodes


@pytest.fixture(autouse=True)
def _unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    def preflight(cluster: Cluster) -> Phase:
        step = Decided("arch", "the system is 64-bit", Blocked("32-bit userland", "flash it"))
        return Phase("preflight", "nodes are fit", (Stage("fit", {"pi1": [step]}),))

    def prepare(site: object) -> Phase:
        step = Decided("s", "so", Satisfied())
        return Phase("prepare", "nodes are ready", (Stage("ready", {"pi1": [step]}),))

    monkeypatch.setattr(commands, "preflight", preflight)
    monkeypatch.setitem(commands.PHASES, "prepare", prepare)


def test_up_ends_with_5_before_any_other_phase(tmp_path: Path) -> None:
    events: list[Event] = []
    job, nodes = job_on(tmp_path, events)
    with pytest.raises(PreflightRefused, match="32-bit userland") as refused:
        commands.up(job)
    assert refused.value.exit_code == 5
    assert list(nodes.root("pi1").iterdir()) == []
    assert {getattr(event, "phase", "preflight") for event in events} == {"preflight"}
    assert isinstance(events[-1], RunFinished)
    assert events[-1].exit_code == 5


def test_a_plan_shows_the_refusal_first(tmp_path: Path) -> None:
    plans = commands.plan(job_on(tmp_path, [])[0])
    assert [plan.phase for plan in plans] == ["preflight", "prepare"]
    assert plans[0].blocked


def test_validate_is_not_ok(tmp_path: Path) -> None:
    job, _ = job_on(tmp_path, [])
    verdict = commands.validate(replace(job, command="validate"))
    assert (verdict.exit_code, verdict.refused, verdict.installed) == (5, 1, False)
