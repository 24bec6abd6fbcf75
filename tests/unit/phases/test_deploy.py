"""The deploy phase: what a cluster file leads to, and what its user has to agree to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.phases.test_registry import NODES, site

from picluster.apps.opentakserver.administrator import ADMINISTRATOR_SET
from picluster.engine.phase import Phase
from picluster.engine.place import Tools
from picluster.engine.probe import ShellProbe
from picluster.engine.step import Step
from picluster.kube.superseded import MayGo
from picluster.phases.deploy import deploy, inspection, repair
from picluster.site import Site
from picluster.steps.manifests.applied import ObjectsApplied
from picluster.steps.manifests.objects import identity
from picluster.steps.manifests.rollout import RolledOut

APPS = 'apps: [{name: db, url: "https://example.org/db.yaml"}]\n'
OTS = f"{NODES}registry: {{node: pi2}}\nopentakserver: {{}}\n{APPS}"


@pytest.fixture
def tak(tmp_path: Path) -> Site:
    return site(OTS, tmp_path)


def steps_of(phase: Phase) -> list[Step]:
    return [step for stage in phase.stages for each in stage.steps.values() for step in each]


def rollouts(phase: Phase) -> dict[str, MayGo]:
    """Return which pods may be deleted while they are waited for, by step."""
    return {step.name: step.may_go for step in steps_of(phase) if isinstance(step, RolledOut)}


@pytest.mark.parametrize(
    ("build", "own", "users"),
    [(deploy, MayGo.IDLE, MayGo.NOBODY), (repair, MayGo.ANYBODY, MayGo.ANYBODY)],
)
def test_pods_of_the_users_apps_are_deleted_with_consent_only(
    tak: Site, build: Callable[[Site], Phase], own: MayGo, users: MayGo
) -> None:
    assert rollouts(build(tak)) == {"opentakserver-runs": own, "app-db-runs": users}


def scripts(phase: Phase) -> list[str]:
    """Return which steps ask a node's shell."""
    return [s.name for s in steps_of(phase) if isinstance(s.probe(), ShellProbe)]


def test_a_run_with_nothing_to_do_asks_no_node_about_opentakserver(tak: Site) -> None:
    assert scripts(deploy(tak)) == []
    assert scripts(repair(tak)) == []


def test_validate_asks_the_doors_of_opentakserver(tak: Site) -> None:
    assert scripts(inspection(tak)) == ["opentakserver-answers"]
    of_both = [{step.name for step in steps_of(phase)} for phase in (inspection(tak), deploy(tak))]
    assert of_both[0] == of_both[1], "it judges by the steps that `up` would do"


def test_nobody_outside_gets_in_before_the_password_is_ours(tak: Site) -> None:
    """Until it is set, OpenTAKServer has the one that every release starts with."""
    order = [step.name for step in steps_of(deploy(tak)) if isinstance(step.name, str)]
    assert order.index(ADMINISTRATOR_SET) < order.index("opentakserver-doors")
    inside, doors = (
        step
        for step in steps_of(deploy(tak))
        if isinstance(step, ObjectsApplied) and step.part.name == "opentakserver"
    )
    (door,) = inside.part.beside
    assert [identity(each) for each in doors.part.source(Tools())] == [door]
    assert door not in doors.part.beside
