"""The doctor as a whole: one script a node, every borrowed step understood, only safe mending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.doubles.tool_doubles import run_with
from tests.unit.phases.sites import site_on

from picluster.engine.step import Blocked, Change, Decision, Risk, Run, Satisfied
from picluster.errors import NodeError, Unreachable
from picluster.model import Cluster, parse
from picluster.queries.doctor import Diagnosis, borrowed_from, checks_of, diagnose, mend
from picluster.site import Site
from picluster.steps.doctor.disk_speed import ETCD_WRITES
from picluster.steps.doctor.finding import NEEDS_A_REBOOT, NEEDS_A_RESTART, ONLY_BY_HAND, Light
from picluster.steps.doctor.step_findings import explained, finding_of
from picluster.steps.host.swap import SwapOff
from picluster.steps.k3s.maintenance import UncordonNode

FILE = """\
name: small
nodes:
  - {name: pi1, address: 10.0.0.11, role: server}
  - {name: pi2, address: 10.0.0.12, role: agent}
registry: {node: pi1}
longhorn: {}
prepare: {timezone: Etc/UTC, locale: en_GB.UTF-8}
"""
FILE_OF_FOUR = """\
name: case
nodes:
  - {name: pi1, address: 10.0.0.11, role: server}
  - {name: pi2, address: 10.0.0.12, role: server}
  - {name: pi3, address: 10.0.0.13, role: server}
  - {name: pi4, address: 10.0.0.14, role: agent}
"""


def cluster() -> Cluster:
    return parse(FILE).cluster


def site(nodes: ShellNodes, tmp_path: Path) -> Site:
    return site_on(nodes, cluster(), tmp_path, "doctor")


def diagnosed(tmp_path: Path, **refused: NodeError) -> Diagnosis:
    return diagnose(site(ShellNodes(tmp_path / "nodes", refuse=refused), tmp_path))


def test_every_check_and_every_borrowed_step_is_understood_and_has_a_name_of_its_own() -> None:
    for node in cluster().nodes:
        borrowed = [step.name for step in borrowed_from(cluster(), node)]
        names = [*borrowed, *(check.name for check in checks_of(cluster(), node))]
        assert sorted(set(names)) == sorted(names)
        assert set(borrowed) <= explained(), set(borrowed) - explained()


def test_the_disk_is_judged_for_etcd_where_it_runs() -> None:
    single, several = cluster(), parse(FILE_OF_FOUR).cluster
    judged = {
        (len(each.nodes), node.name): check.probe is ETCD_WRITES
        for each in (single, several)
        for node in each.nodes
        for check in checks_of(each, node)
        if check.name == "disk-speed"
    }
    assert judged == {
        (2, "pi1"): False,  # one server alone keeps its data in SQLite
        (2, "pi2"): False,
        **{(4, f"pi{number}"): number < 4 for number in range(1, 5)},
    }


def test_it_takes_one_script_a_node_and_every_check_comes_to_a_finding(tmp_path: Path) -> None:
    found = diagnosed(tmp_path)
    assert (found.connections, found.scripts) == (2, 2)
    for patient, node in zip(found.patients, cluster().nodes, strict=True):
        wanted = [check.name for check in checks_of(cluster(), node)]
        wanted += [step.name for step in borrowed_from(cluster(), node)]
        assert [row.check for row in patient.rows] == wanted
        for row in patient.lit(Light.WARNING) + patient.lit(Light.PROBLEM):
            assert all((row.finding.evidence, row.finding.meaning, row.finding.fix)), row
            assert row.finding.fixable is not bool(row.finding.held), row
            assert "NODE" not in row.finding.fix, row


def test_a_node_that_is_away_is_told_with_its_reason_beside_the_others(tmp_path: Path) -> None:
    away = Unreachable("no route to it", where="pi2", fix="switch it on")
    found = diagnosed(tmp_path, pi2=away)
    assert [patient.unreached for patient in found.patients] == [None, away]
    assert found.patients[0].rows
    assert found.exit_code == NodeError.exit_code


def test_an_answer_that_makes_no_sense_hides_no_other_check(tmp_path: Path) -> None:
    run_with(tmp_path / "tools", "true", df="echo heading; echo / ² 1 1 1")
    nodes = ShellNodes(tmp_path / "nodes", tools=tmp_path / "tools")
    found = diagnose(site(nodes, tmp_path))
    for patient, node in zip(found.patients, cluster().nodes, strict=True):
        wanted = [check.name for check in checks_of(cluster(), node)]
        wanted += [step.name for step in borrowed_from(cluster(), node)]
        assert [row.check for row in patient.rows] == wanted
        nonsense = {
            row.check: (row.finding.light, row.finding.evidence)
            for row in patient.rows
            if "makes no sense" in row.finding.evidence
        }
        said = "its answer makes no sense: `{}` is not a number: {}"
        assert nonsense == {
            "room": (Light.PROBLEM, said.format("df", "'²'")),
            "fit-for-longhorn": (Light.PROBLEM, said.format("free", "'/'")),
        }
        fixes = {row.finding.fix for row in patient.rows if row.check in nonsense}
        assert [fix for fix in fixes if f"`picluster ssh {node.name}`" not in fix] == []
        assert not patient.unreached


def test_all_away_is_an_answer_too(tmp_path: Path) -> None:
    found = diagnosed(tmp_path, pi1=Unreachable("off"), pi2=Unreachable("off"))
    assert [patient.rows for patient in found.patients] == [(), ()]
    assert found.exit_code == NodeError.exit_code


def test_one_node_is_told_of_and_all_are_looked_at(tmp_path: Path) -> None:
    nodes = ShellNodes(tmp_path / "nodes")
    found = diagnose(site(nodes, tmp_path), only=["pi2"])
    assert [patient.name for patient in found.patients] == ["pi2"]
    assert nodes.scripts == {"pi1": 1, "pi2": 1}


RUN = (Run("true"),)


@pytest.mark.parametrize(
    ("decision", "installed", "light", "held"),
    [
        (Satisfied(), True, Light.OK, ""),
        (Satisfied(warning="slow"), True, Light.WARNING, ONLY_BY_HAND),
        (Blocked("no", "do it"), False, Light.PROBLEM, ONLY_BY_HAND),
        (Change("do", RUN), False, Light.WARNING, ""),
        (Change("do", RUN), True, Light.PROBLEM, ""),
        (
            Change("do", RUN, risk=Risk.REBOOT),
            True,
            Light.PROBLEM,
            NEEDS_A_REBOOT,
        ),
        (
            Change("do", RUN, risk=Risk.RESTART),
            True,
            Light.PROBLEM,
            NEEDS_A_RESTART,
        ),
        (Change("do", (UncordonNode("pi1"),)), True, Light.PROBLEM, ONLY_BY_HAND),
    ],
)
def test_a_steps_decision_becomes_a_light_and_what_is_safe_is_mended(
    decision: Decision, installed: bool, light: Light, held: str
) -> None:
    class Step:
        name = "kernel-modules"

    step: Any = Step()
    found = finding_of(step, decision, installed=installed)
    fixable = isinstance(decision, Change) and not held
    assert (found.light, found.fixable, found.held) == (light, fixable, held)


def test_what_a_running_cluster_does_not_suffer_from_stays_a_warning() -> None:
    assert finding_of(SwapOff(), Change("off", RUN), installed=True).light is Light.WARNING


def test_mending_is_made_of_the_steps_that_were_found_broken(tmp_path: Path) -> None:
    phase = mend(site(ShellNodes(tmp_path), tmp_path), {"pi2": frozenset({"swap", "sysctl-file"})})
    assert phase.targets() == ["pi2"]
    assert [step.name for step in phase.steps_for("pi2")] == ["swap", "sysctl-file"]
