"""The doctor: every trap that is known, on every node, in one look; and what can be mended safely.

The checks of its own are joined by the steps of preflight and prepare: what those would refuse or
repair is a finding too, and `--fix` does it with the very same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from picluster import commands
from picluster.engine.phase import Phase, Stage
from picluster.engine.plan import judge_target
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.step import Fact, Probe, Step
from picluster.engine.survey import Look, Survey
from picluster.errors import NodeError, Unreadable
from picluster.model import Cluster, Node
from picluster.phases.preflight import preflight
from picluster.phases.prepare import prepare
from picluster.site import Site
from picluster.steps.doctor import board, boot, disks, network, service
from picluster.steps.doctor.disk_speed import disk_speed
from picluster.steps.doctor.finding import Check, Finding, Light, problem
from picluster.steps.doctor.step_findings import finding_of
from picluster.steps.storage.readiness import FitForLonghorn

# The doctor's own checks say more of these than preflight does.
_SAID_BETTER = frozenset({"disk", "cgroup"})


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """One check on one node, and how it came out."""

    check: str
    title: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Patient:
    """A node with its findings; `unreached` says why there are none."""

    name: str
    rows: tuple[Diagnosed, ...] = ()
    unreached: NodeError | None = None

    @property
    def has_k3s(self) -> bool:
        """Whether K3s is installed on it."""
        return any(
            row.check == service.K3S.name and row.finding.light is not Light.NOT_APPLICABLE
            for row in self.rows
        )

    def lit(self, light: Light) -> tuple[Diagnosed, ...]:
        """Return the findings of that light."""
        return tuple(row for row in self.rows if row.finding.light is light)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found on all nodes; `connections` and `scripts` are what it took."""

    cluster: str
    patients: tuple[Patient, ...]
    connections: int
    scripts: int
    notices: tuple[str, ...] = ()

    def count(self, light: Light) -> int:
        """Return how many findings have that light."""
        return sum(len(patient.lit(light)) for patient in self.patients)

    @property
    def exit_code(self) -> int:
        """4 if a node could not be reached, 1 if there is a problem, else 0."""
        if any(patient.unreached for patient in self.patients):
            return NodeError.exit_code
        return 1 if self.count(Light.PROBLEM) else 0

    @property
    def fixable(self) -> dict[str, frozenset[str]]:
        """The checks that `--fix` can mend, by node."""
        found = {
            patient.name: frozenset(row.check for row in patient.rows if row.finding.fixable)
            for patient in self.patients
        }
        return {name: checks for name, checks in found.items() if checks}


def diagnose(site: Site, only: Collection[str] = ()) -> Diagnosis:
    """Look at every node once, and judge; `only` are the nodes to tell of, all if empty.

    The others are looked at too, as twins are only seen beside each other. Nodes that cannot be
    reached are part of the answer.
    """
    cluster, spent = site.cluster, site.sessions.traffic
    survey: Survey = {}
    try:
        seen = commands.plan(site, _look)
        survey, unreached = seen.plans[0].survey, seen.unreached
    except NodeError:
        unreached = site.sessions.away
        if not unreached:
            raise
    patients = [
        Patient(
            node.name,
            tuple(_rows(cluster, node, survey)) if node.name in survey else (),
            unreached.get(node.name),
        )
        for node in cluster.nodes
        if not only or node.name in only
    ]
    return Diagnosis(cluster.name, tuple(patients), spent.connections, spent.scripts, site.notices)


def mend(site: Site, broken: Mapping[str, Collection[str]]) -> Phase:
    """Build the phase that does what the diagnosis called safe, with the steps of `prepare`."""
    whole = prepare(site.cluster, guard=site.guard.before_disruption)
    stages = [replace(stage, steps=_chosen(stage, broken)) for stage in whole.stages]
    return Phase(
        "doctor",
        "what can be mended safely is mended",
        tuple(stage for stage in stages if stage.steps),
    )


def _chosen(stage: Stage, broken: Mapping[str, Collection[str]]) -> dict[str, Sequence[Step]]:
    chosen = {
        name: [step for step in steps if step.name in broken.get(name, ())]
        for name, steps in stage.steps.items()
    }
    return {name: steps for name, steps in chosen.items() if steps}


def checks_of(cluster: Cluster, node: Node) -> list[Check]:
    """Return the doctor's own checks of a node."""
    return [
        *board.CHECKS,
        *boot.CHECKS,
        disks.root_medium(is_server=node.is_server, is_ha=cluster.is_ha),
        disk_speed(runs_etcd=node.is_server and cluster.is_ha),
        *disks.CHECKS,
        network.uplink(is_server=node.is_server),
        *network.CHECKS,
        *service.CHECKS,
    ]


def borrowed_from(cluster: Cluster, node: Node) -> list[Step]:
    """Return the steps of other phases whose decisions are findings too."""
    fitness = preflight(cluster).steps_for(node.name)
    return [
        *(step for step in fitness if step.name not in _SAID_BETTER),
        *prepare(cluster).steps_for(node.name),
        *_for_longhorn(cluster, node),
    ]


def _for_longhorn(cluster: Cluster, node: Node) -> list[Step]:
    if cluster.longhorn is None or node not in cluster.storage_nodes:
        return []
    return [FitForLonghorn(node.name, cluster.longhorn.data_path, mounts=bool(node.disks))]


def _look(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    asked = {
        node.name: [
            Fact(probe.name, "what the doctor judges is known", _lenient(probe))
            for probe in _probes(site.cluster, node)
        ]
        for node in site.cluster.nodes
        if node.name not in absent
    }
    yield Phase("doctor", "how the nodes are", (Stage("checks", asked),))


def _probes(cluster: Cluster, node: Node) -> Iterator[ShellProbe[Any]]:
    yield from (check.probe for check in checks_of(cluster, node))
    probes = (step.probe() for step in borrowed_from(cluster, node))
    yield from (probe for probe in probes if isinstance(probe, ShellProbe))


def _lenient(probe: ShellProbe[Any]) -> ShellProbe[Any]:
    """An answer that makes no sense hides nothing of what the node says to other questions."""
    return replace(probe, parse=partial(_read, probe.parse))


def _read(parse: Callable[[Observation], object], seen: Observation) -> object:
    try:
        return parse(seen)
    except Unreadable as error:
        return error


def _rows(cluster: Cluster, node: Node, survey: Survey) -> Iterator[Diagnosed]:
    readable = {
        target: {key: each for key, each in seen.items() if not isinstance(each, Unreadable)}
        for target, seen in survey.items()
    }
    look, everything = Look(node.name, "doctor", readable), Look(node.name, "doctor", survey)
    for check in checks_of(cluster, node):
        yield _diagnosed(check, _nonsense(everything, check.probe) or check.judge(look), node)
    steps = borrowed_from(cluster, node)
    findings = {step.name: _nonsense(everything, step.probe()) for step in steps}
    sensible = [step for step in steps if findings[step.name] is None]
    installed = service.is_installed(look)
    for item in judge_target("checks", node.name, sensible, readable):
        findings[item.step.name] = finding_of(item.step, item.decision, installed=installed)
    yield from (_diagnosed(step, found, node) for step in steps if (found := findings[step.name]))


def _nonsense(look: Look, probe: Probe | None) -> Finding | None:
    seen = look.find(probe) if isinstance(probe, ShellProbe) else None
    if not isinstance(seen, Unreadable):
        return None
    nonsense = seen.about(look.target, "")
    return problem(nonsense.what, f"nobody can tell whether it is well: {nonsense.why}", _ASK)


_ASK = "`picluster ssh NODE`, find what changes what commands print there, and look again"


def _diagnosed(check: Check | Step, found: Finding, node: Node) -> Diagnosed:
    found = replace(found, fix=found.fix.replace("NODE", node.name))
    return Diagnosed(check.name, check.title, found)
