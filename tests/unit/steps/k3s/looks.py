"""Looks at K3s as steps get them, made of a few facts."""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.steps import looking

from picluster.engine.probe import Observation
from picluster.engine.survey import Look
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.service import READY, Registered
from picluster.steps.k3s.state import STATE

OLD, NEW = "v1.33.4+k3s1", "v1.33.5+k3s1"


def printed(**facts: str) -> Observation:
    """What is seen of K3s when the look at it prints these facts."""
    return looking.printed(STATE, *(f"{key}={value}" for key, value in facts.items()))[STATE.name]


def look(
    step: str,
    *,
    own: Observation | None = None,
    node: NodeState | None = None,
    others: Mapping[str, object] | None = None,
    planned: frozenset[tuple[str, str]] = frozenset(),
    **facts: str,
) -> Look:
    """Look at pi1: its K3s has these facts, the cluster knows it as `node`."""
    seen = {STATE.name: printed(**facts), READY: Registered(node)}
    if own is not None:
        seen[step] = own
    survey = {"pi1": seen}
    for name, state in (others or {}).items():
        survey[name] = survey.get(name, {}) | {STATE.name: state}
    return Look("pi1", step, survey, planned)
