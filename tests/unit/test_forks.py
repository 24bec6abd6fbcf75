"""What looking costs a node: the meter itself, and how many processes each look makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.doubles.node_answers import NodeAnswers
from tests.doubles.node_tree import ADDRESS, follow, node_tree, with_k3s
from tests.doubles.pi_tree import pi_tree, there
from tests.doubles.shell_nodes import ShellNodes
from tests.forks import MeteredNode, forks_of, spend
from tests.unit.phases.sites import site_on

from picluster.commands import plan_up
from picluster.engine.observe import observe
from picluster.engine.phase import Phase
from picluster.engine.place import Tools
from picluster.engine.plan import Judged, judge_target
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.session import Session
from picluster.engine.step import (
    Change,
    Fact,
    Satisfied,
    Step,
    WriteFile,
)
from picluster.errors import Unreachable
from picluster.model import Cluster, parse
from picluster.phases.catalog import PHASES
from picluster.phases.preflight import preflight
from picluster.phases.prepare import prepare
from picluster.queries.doctor import diagnose
from picluster.queries.status import status
from picluster.queries.validate import validate
from picluster.steps.doctor.finding import Light

FILE = f"""\
name: home
nodes:
  - {{name: pi1, address: {ADDRESS}, role: server}}
prepare: {{timezone: Etc/UTC, locale: en_GB.UTF-8}}
"""
CLUSTER = parse(FILE).cluster


@pytest.mark.parametrize(
    ("script", "forks"),
    [
        ("true", 0),
        ("read -r line </etc/passwd; echo $line", 0),
        ("/bin/true; true", 1),
        ("(true); :", 1),
        ("a=$(cat /etc/passwd)", 1),
        ("cat /etc/passwd | cat; :", 2),
        ("sh -c '/bin/true; /bin/true; :'; :", 3),
    ],
)
def test_every_process_of_a_script_is_counted(script: str, forks: int) -> None:
    assert forks_of(script) == forks


def test_a_tree_is_the_node_and_stays_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / "usr/local/sbin/systemctl"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho active\n")
    program.chmod(0o755)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/there").write_text("there\n")
    node = MeteredNode(tmp_path)
    look = "read -r word </etc/there; echo $word; [ -e /etc/passwd ] && systemctl is-active x; :"
    assert node.sessions.read("pi1", look, timeout=9).out.decode() == "there\nactive\n"
    assert node.forks == [1]
    written = spend("echo no >/etc/there", tmp_path)
    assert written.done.status != 0
    assert b"Read-only file system" in written.done.err


# ------------------------------------------------------------------ with nothing to do


def look(node: MeteredNode, steps: Sequence[Step]) -> dict[str, object]:
    return observe(node.sessions, Tools(), "pi1", steps, 60)


def judged(phase: Phase, node: MeteredNode) -> list[Judged]:
    steps = phase.steps_for("pi1")
    return judge_target(phase.title, "pi1", steps, {"pi1": look(node, steps)})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(node_tree(tmp_path_factory.mktemp("node")), CLUSTER)


def prepared(root: Path, cluster: Cluster) -> Path:
    """Have `prepare` write the files of its steps on a node."""
    follow(root, judged(prepare(cluster), MeteredNode(root)))
    return root


def test_a_prepare_with_nothing_to_do_makes_few_processes(tree: Path) -> None:
    node = MeteredNode(tree)
    items = [
        item for phase in (preflight(CLUSTER), prepare(CLUSTER)) for item in judged(phase, node)
    ]
    amiss = [
        item for item in items if not isinstance(item.decision, Satisfied) or item.decision.warning
    ]
    assert not amiss
    assert sum(node.forks) <= 30, node.forks


def test_probes_that_share_a_shell_see_what_each_sees_alone(tmp_path: Path) -> None:
    cluster = parse(FILE + "longhorn: {}\nregistry: {node: pi1}\n").cluster
    root = prepared(with_k3s(node_tree(tmp_path / "node"), cluster.k3s.version), cluster)
    site = site_on(ShellNodes(tmp_path), cluster, tmp_path)
    phases = [preflight(cluster), *(PHASES[name](site) for name in EVERYTHING)]
    steps = {
        probe.name: Fact(probe.name, "", replace(probe, parse=_said))
        for phase in phases
        for step in phase.steps_for("pi1")
        if isinstance(probe := step.probe(), ShellProbe)
    }
    node = MeteredNode(root)
    together = look(node, list(steps.values()))
    alone = {key: look(node, [step])[key] for key, step in steps.items()}
    differ = [key for key, seen in together.items() if seen != alone[key]]
    assert differ == []
    assert len(together) > 40


def _said(seen: Observation) -> tuple[int, list[str]]:
    """Return status and lines, but for those that go by the clock."""
    return seen.status, [line for line in seen.lines if not line.startswith(("age=", "now="))]


HA = FILE.replace(
    "prepare:",
    """\
  - {name: pi2, address: 10.0.0.12, role: server}
  - {name: pi3, address: 10.0.0.13, role: server}
  - {name: pi4, address: 10.0.0.14, role: agent}
prepare:""",
)
REGISTRY = "registry: {node: pi4}\n"
EVERYTHING = ("prepare", "k3s", "registry", "longhorn", "deploy")


def planned(file: str, root: Path, here: Path, *phases: str) -> tuple[MeteredNode, list[Judged]]:
    """Plan `up` where every node is that of one tree; return its meter and what is to be done."""
    node = MeteredNode(root)
    site = replace(site_on(ShellNodes(here), parse(file).cluster, here), sessions=node.sessions)
    plans = plan_up(site, phases or EVERYTHING).plans
    return node, [item for plan in plans for item in (*plan.changes, *plan.blocked)]


@pytest.mark.parametrize(
    ("file", "at_home", "elsewhere"),
    [
        (FILE, (), 36),
        (FILE + "longhorn: {}\n", (), 40),
        (HA + "longhorn: {}\n" + REGISTRY, (48,), 44),
    ],
    ids=["one server", "with Longhorn", "three servers, an agent, a registry and Longhorn"],
)
def test_an_up_with_nothing_to_do_asks_each_node_once_and_makes_few_processes(
    file: str, at_home: tuple[int, ...], elsewhere: int, tmp_path: Path
) -> None:
    cluster = parse(file).cluster
    root = with_k3s(node_tree(tmp_path / "node"), cluster.k3s.version)
    for _ in range(2):
        node, items = planned(file, root, tmp_path / "here")
        follow(root, items)
    allowed = (*[elsewhere] * (len(cluster.nodes) - len(at_home)), *at_home)
    assert len(node.forks) == len(cluster.nodes), "more than one script a node"
    assert all(made <= most for made, most in zip(sorted(node.forks), allowed, strict=True)), (
        node.forks
    )
    assert max(node.bytes_sent) <= 32_000, node.bytes_sent
    written = [item.step.name for item in items if _writes(item)]
    assert len(cluster.nodes) > 1 or not written, "this node was not as it should be"


def test_a_validation_looks_once(tmp_path: Path) -> None:
    root = with_k3s(node_tree(tmp_path / "node"), CLUSTER.k3s.version)
    node = MeteredNode(root)
    made = site_on(ShellNodes(tmp_path), parse(FILE + "longhorn: {}\n").cluster, tmp_path)
    assert validate(replace(made, sessions=node.sessions)).installed
    assert len(node.forks) == 1
    assert sum(node.forks) <= 42


def test_a_status_makes_few_processes(tmp_path: Path) -> None:
    root = with_k3s(node_tree(tmp_path / "node"), CLUSTER.k3s.version)
    node = MeteredNode(root)
    made = site_on(ShellNodes(tmp_path), CLUSTER, tmp_path)
    (row,) = status(replace(made, sessions=node.sessions)).nodes
    assert row.vitals is not None
    assert sum(node.forks) <= 4, node.forks


def _writes(item: Judged) -> bool:
    actions = item.decision.actions if isinstance(item.decision, Change) else ()
    return item.target != "cluster" and any(isinstance(each, WriteFile) for each in actions)


# ------------------------------------------------------------------ only looking


PATIENT = f"""\
name: home
nodes:
  - {{name: pi1, address: {ADDRESS}, role: server}}
  - {{name: pi2, address: 10.0.0.12, role: server}}
  - {{name: pi3, address: 10.0.0.13, role: server}}
registry: {{node: pi1}}
longhorn: {{}}
prepare: {{timezone: Etc/UTC, locale: en_GB.UTF-8}}
"""


class OnlyOneOfThree(NodeAnswers):
    """Of a cluster's nodes pi1 alone is there."""

    def connect(self, node: str) -> Session:
        if node != "pi1":
            raise Unreachable("it is off", where=node)
        return super().connect(node)


def test_a_doctor_makes_few_processes_on_a_pi_that_is_well(tmp_path: Path) -> None:
    cluster = parse(PATIENT).cluster
    tree = prepared(pi_tree(tmp_path / "tree"), cluster)
    forks = []

    def answer(script: str) -> str:
        spent = spend(there(script), tree)
        forks.append(spent.forks)
        return spent.done.out.decode()

    found = diagnose(site_on(OnlyOneOfThree(answer), cluster, tmp_path, "doctor"))
    rows = found.patients[0].rows
    amiss = [row for row in rows if row.finding.light in (Light.PROBLEM, Light.WARNING)]
    assert not amiss
    assert len(rows) > 40
    assert sum(forks) <= 46, forks
    assert len(forks) == 1
