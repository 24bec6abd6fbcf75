"""Whether the nodes are fit, and whether a cluster that is there is as its file says. Read-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from picluster.commands import foresee, under_way
from picluster.engine.plan import PhasePlan
from picluster.engine.runner import plan_phase
from picluster.engine.survey import Look
from picluster.errors import NodeError, PiclusterError, PreflightRefused
from picluster.phases.catalog import PHASES, wanted
from picluster.phases.deploy import inspection
from picluster.phases.preflight import preflight
from picluster.site import Site
from picluster.steps.k3s.state import STATE

_PHASES = PHASES | {"deploy": inspection}
"""Those of `up`; what a run that has nothing to do does not ask is asked here."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `validate` found; `installed` says whether any node has K3s.

    `missing` are the nodes that could not be looked at, and why.
    """

    cluster: str
    plans: tuple[PhasePlan, ...]
    installed: bool
    notices: tuple[str, ...] = ()
    missing: Mapping[str, NodeError] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """How many checks say that a node is not fit."""
        return len(self.plans[0].blocked)

    @property
    def differing(self) -> int:
        """How much of the cluster is not as the file says, or cannot be made so."""
        return sum(len(plan.changes) + len(plan.blocked) for plan in self.plans[1:])

    @property
    def exit_code(self) -> int:
        """0 if all is well.

        4 if not all could be looked at, 5 if a node is not fit, 1 if the cluster is not as it
        should be.
        """
        if self.missing:
            return NodeError.exit_code
        if self.refused:
            return PreflightRefused.exit_code
        return PiclusterError.exit_code if self.differing else 0


def validate(site: Site) -> Verdict:
    """Look once; at what `up` would do only if there is a cluster."""
    cluster = site.cluster
    with under_way(site) as run:
        # Not the doors of applications: one that hangs would make every other look a long one.
        at_once = wanted(("prepare", "k3s", "registry", "longhorn"), cluster)
        foresee(run, (partial(_PHASES[name], site) for name in at_once))
        plans = [plan_phase(preflight(cluster), run)]
        k3s = plan_phase(_PHASES["k3s"](site), run)
        installed = any(_has_k3s(k3s, node.name) for node in cluster.nodes)
        if installed:
            plans += [plan_phase(_PHASES["prepare"](site), run), k3s]
            for name in wanted(("registry", "longhorn", "deploy", "rancher"), cluster):
                plans.append(plan_phase(_PHASES[name](site), run))
        missing = site.missing(run.unreached)
        return Verdict(cluster.name, tuple(plans), installed, site.notices, missing)


def _has_k3s(plan: PhasePlan, node: str) -> bool:
    """Whether a node is, or was, in a cluster: one whose service is gone is not an empty node."""
    state = Look(node, STATE.name, plan.survey).find(STATE)
    return state is not None and (bool(state.unit) or state.in_cluster or state.joined)
