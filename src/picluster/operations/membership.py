"""Operations on one node: taken out of the cluster, or replaced by a re-flashed machine.

Everything that can be looked at is looked at before anything is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as replaced

from picluster.commands import Build
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.model import Node
from picluster.operations.reset import node_cleaned
from picluster.phases.k3s import k3s
from picluster.phases.preflight import preflight
from picluster.phases.prepare import prepare
from picluster.site import Site
from picluster.steps.k3s import paths
from picluster.steps.k3s.credentials_here import NotReached
from picluster.steps.k3s.install import Staged
from picluster.steps.k3s.removal import Departed, Evacuated, Fresh, MajorityStays, Stopped
from picluster.steps.k3s.service import KnownMachine
from picluster.steps.k3s.state import state_fact
from picluster.steps.registry.removal import RegistryLeaves
from picluster.steps.storage.only_copies import GivenUp, LossesNamed


def replace(node: str) -> Build:
    """Return what makes a re-flashed machine the node that the cluster lost.

    The machine is prepared, and the release lies on it, before the cluster forgets the former one.
    """

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield _replaceable(site, node)
        yield preflight(site.cluster)
        yield prepare(site.cluster, guard=site.guard.before_disruption)
        yield _taking_its_place(site, node)

    return build


def _replaceable(site: Site, node: str) -> Phase:
    """Check what the cluster and the machine say, and change nothing."""
    former = f"the former {node}"
    return Phase(
        "replace",
        f"{node} can be replaced",
        (
            Stage("the machine is fresh", {node: [state_fact()]}),
            Stage(
                "the cluster can do without the former one",
                {
                    CLUSTER: [
                        Fresh(node),
                        MajorityStays(node),
                        LossesNamed(node, site.consents.volumes, former),
                        *_registry_leaves(site, node),
                    ]
                },
            ),
        ),
    )


def _taking_its_place(site: Site, node: str) -> Phase:
    """Do what the k3s phase does, with the former node taken out once the release is there."""
    phase = k3s(site)
    forgotten = Stage(
        "the former one is out of the cluster",
        {CLUSTER: [Departed(node), GivenUp(node, site.consents.volumes)]},
        guard=lambda _: site.guard.before_removal(node),
        needs=[node],
    )
    stages: list[Stage] = []
    for stage in phase.stages:
        steps = stage.steps.get(node, ())
        if any(isinstance(step, Staged) for step in steps):
            stages += [_for_another_machine(stage, node), forgotten]
        else:
            stages.append(stage)
    title = f"{phase.title}, with another machine as {node}"
    return replaced(phase, title=title, stages=tuple(stages))


def _for_another_machine(stage: Stage, node: str) -> Stage:
    """Return the stage that makes the machine ready: nothing goes on without it.

    That the cluster knows the node as another machine is no obstacle here.
    """
    steps = [step for step in stage.steps[node] if not isinstance(step, KnownMachine)]
    return replaced(stage, steps={**stage.steps, node: steps}, barrier=True, independent=False)


def remove(node: str, *, data: bool) -> Build:
    """Return what takes a node out of its cluster and cleans it; the cluster lives on.

    A node that cannot be reached, or is not in the file any more, is taken out all the same; what
    is on the machine stays.
    """

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        known = {each.name: each for each in site.cluster.nodes}
        reachable = known.get(node) if node not in absent else None
        yield _removed(site, node, reachable, data=data)

    return build


def _removed(site: Site, node: str, machine: Node | None, *, data: bool) -> Phase:
    """K3s is stopped between the two: a node that runs would register again."""

    def guard(_: str) -> None:
        site.guard.before_removal(node)

    leaving: list[Step] = [
        MajorityStays(node),
        LossesNamed(node, site.consents.volumes),
        *_registry_leaves(site, node),
        Evacuated(node, site.cluster.limits.drain),
    ]
    gone: list[Step] = [Departed(node), GivenUp(node, site.consents.volumes)]
    if machine is None:
        gone.append(NotReached([node], "what is on the machine is left as it is"))
        return _removal(node, [Stage("it is forgotten", {CLUSTER: [*leaving, *gone]}, guard=guard)])
    stopping: list[Step] = [state_fact(), Stopped(paths.unit(machine.role))]
    return _removal(
        node,
        [
            Stage("pods leave", {CLUSTER: leaving}, guard=guard),
            Stage("K3s stops", {node: stopping}, guard=guard),
            Stage("it is forgotten", {CLUSTER: gone}, guard=guard),
            Stage("the machine is cleaned", {node: node_cleaned(site.cluster, machine, data=data)}),
        ],
    )


def _registry_leaves(site: Site, node: str) -> list[Step]:
    registry = site.cluster.registry
    return [RegistryLeaves(node)] if registry is not None and registry.node == node else []


def _removal(node: str, stages: list[Stage]) -> Phase:
    return Phase("remove", f"{node} is out of the cluster", tuple(stages))
