"""Looks at K3s as steps get them, made of a few facts."""

from __future__ import annotations

from collections.abc import Mapping

from picluster.engine.step import Observation
from picluster.engine.survey import Look
from picluster.kube.nodes import NodeState
from picluster.steps.k3s.service import READY
from picluster.steps.k3s.state import STATE

OLD, NEW = "v1.33.4+k3s1", "v1.33.5+k3s1"


def printed(**facts: str) -> Observation:
    """What the state probe prints."""
    return Observation(out="\n".join(f"{key}={value}" for key, value in facts.items()))


def look(
    step: str,
    *,
    own: Observation | None = None,
    node: NodeState | None = None,
    others: Mapping[str, Observation] | None = None,
    planned: frozenset[tuple[str, str]] = frozenset(),
    **facts: str,
) -> Look:
    """Look at pi1: its K3s has these facts, the cluster knows it as `node`."""
    seen = {STATE: printed(**facts), READY: Observation(value=node)}
    if own is not None:
        seen[step] = own
    survey = {"pi1": seen} | {name: {STATE: state} for name, state in (others or {}).items()}
    return Look("pi1", step, survey, planned)
