"""The deploy phase: what a cluster file leads to, and what its user has to agree to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.phases.test_registry import NODES, site

from picluster.engine.phase import Phase
from picluster.kube.superseded import MayGo, anybody, idle, nobody
from picluster.phases.deploy import deploy, repair
from picluster.phases.site import Site
from picluster.steps.manifests.rollout import RolledOut

APPS = 'apps: [{name: db, url: "https://example.org/db.yaml"}]\n'
OTS = f"{NODES}registry: {{node: pi2}}\nopentakserver: {{}}\n{APPS}"


@pytest.fixture
def tak(tmp_path: Path) -> Site:
    return site(OTS, tmp_path)


def rollouts(phase: Phase) -> dict[str, MayGo]:
    """Return which pods may be deleted while they are waited for, by step."""
    steps = [step for stage in phase.stages for each in stage.steps.values() for step in each]
    return {step.name: step.may_go for step in steps if isinstance(step, RolledOut)}


@pytest.mark.parametrize(
    ("build", "own", "users"), [(deploy, idle, nobody), (repair, anybody, anybody)]
)
def test_pods_of_the_users_apps_are_deleted_with_consent_only(
    tak: Site, build: Callable[[Site], Phase], own: MayGo, users: MayGo
) -> None:
    assert rollouts(build(tak)) == {"opentakserver-runs": own, "app-db-runs": users}
