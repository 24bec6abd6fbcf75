"""A command's site: nothing changes it, and it says who is meant and who is missed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.desk import FILE
from tests.unit.phases.sites import site_on

from picluster.engine.survey import CLUSTER
from picluster.errors import Unreachable
from picluster.model import parse
from picluster.site import EVERYWHERE, Scope, Site
from picluster.steps.k3s.guard import QuorumGuard

AWAY = Unreachable("it cannot be reached over SSH")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_on(ShellNodes(tmp_path / "nodes"), parse(FILE).cluster, tmp_path)


def test_it_is_frozen_and_holds_no_container_that_changes(site: Site) -> None:
    for field in fields(site):
        with pytest.raises(FrozenInstanceError):
            setattr(site, field.name, None)
        assert not isinstance(getattr(site, field.name), list | dict | set), field.name


def test_what_is_looked_at_and_what_is_done_ask_one_guard_over_one_connection(site: Site) -> None:
    assert site.tools.get(QuorumGuard) is site.guard
    assert site.guard.api is site.api
    assert site.api.sessions is site.guard.sessions is site.sessions


@pytest.mark.parametrize(
    ("scope", "missing"),
    [
        pytest.param(EVERYWHERE, ["pi1", "pi2"], id="all are meant"),
        pytest.param(Scope(only=frozenset({"pi2", "pi3"})), ["pi2"], id="some are"),
        pytest.param(Scope(optional=frozenset({"pi1"})), ["pi2"], id="one may be absent"),
        pytest.param(
            Scope(only=frozenset({"pi1"}), optional=frozenset({"pi1"})), [], id="the one meant may"
        ),
    ],
)
def test_those_are_missed_that_are_meant_and_may_not_be_absent(
    scope: Scope, missing: list[str]
) -> None:
    assert [node for node in ("pi1", "pi2") if scope.misses(node)] == missing


def test_the_cluster_is_always_in_scope() -> None:
    assert EVERYWHERE.targets is None
    assert Scope(only=frozenset({"pi1"})).targets == {"pi1", CLUSTER}
