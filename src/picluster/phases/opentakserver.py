"""What the deploy phase does about OpenTAKServer, in a cluster that has it."""

from __future__ import annotations

from picluster.apps.opentakserver import credentials
from picluster.apps.opentakserver.administrator import AdministratorPassword
from picluster.apps.opentakserver.built_in import built_in
from picluster.apps.opentakserver.manifests import (
    DATABASE,
    PART,
    door_service,
    identities,
    workloads,
)
from picluster.apps.opentakserver.reachable import Answers, AnswersAfterChange
from picluster.apps.opentakserver.source import Door, Manifests
from picluster.engine.phase import Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.kube.superseded import MayGo
from picluster.model import Node
from picluster.model.opentakserver import OpenTakServer
from picluster.phases.registry import endpoint
from picluster.site import Site
from picluster.steps.manifests.applied import ObjectsApplied
from picluster.steps.manifests.component import Part
from picluster.steps.manifests.objects import identity
from picluster.steps.manifests.repair import MadeAnew
from picluster.steps.manifests.rollout import RolledOut, These
from picluster.steps.manifests.secrets import SecretKept, Wanted

_APPLIED = "opentakserver-objects"
_RUNS = "opentakserver-runs"
_OPEN = "opentakserver-doors"


def runs(site: Site, ots: OpenTakServer, may_go: MayGo) -> Stage:
    """Return the stage that makes it run, with its doors."""
    manifests, timeout = _manifests(site, ots), site.cluster.limits.rollout
    force = site.consents.force_conflicts
    inside = Part(PART, manifests, force=force, beside=(identity(door_service(ots)),))
    steps: list[Step] = [
        SecretKept(
            "opentakserver-secrets",
            Wanted(
                credentials.NAME,
                ots.namespace,
                PART,
                credentials.KEYS,
                credentials.Generated(),
                claims=(f"data-{DATABASE}-0",),
            ),
        ),
        ObjectsApplied(
            _APPLIED, f"the objects of OpenTAKServer {ots.version} are as they should be", inside
        ),
        RolledOut(
            _RUNS,
            "OpenTAKServer, its database and its broker run",
            These(workloads(ots)),
            timeout,
            after=(_APPLIED,),
            may_go=may_go,
        ),
        AdministratorPassword(ots, manifests, timeout),
        # Last: until now, everybody knows the administrator's password.
        ObjectsApplied(
            _OPEN,
            "OpenTAKServer can be reached from outside",
            Part(PART, Door(ots), force=force, beside=identities(ots)),
        ),
    ]
    return Stage("OpenTAKServer runs", {CLUSTER: steps}, needs=_home_of_images(site))


def repaired(site: Site, ots: OpenTakServer) -> Stage:
    """Return the stage that makes anew what is broken of it."""
    title = f"nothing of {PART} is stuck"
    step = MadeAnew("broken", title, These(workloads(ots)), _manifests(site, ots))
    return Stage(
        "what is broken of OpenTAKServer is made anew",
        {CLUSTER: [step]},
        needs=_home_of_images(site),
    )


def _home_of_images(site: Site) -> list[str]:
    """Return the node of the registry: OpenTAKServer's manifests name images by what it has."""
    return [site.cluster.registry.node] if site.cluster.registry else []


def _server_to_ask(site: Site) -> Node:
    """Return a server that is there: each of them has the doors."""
    servers, away = site.cluster.servers, site.sessions.away
    return next((each for each in servers if each.name not in away), servers[0])


def answers(site: Site, ots: OpenTakServer) -> Stage:
    """Return the stage that asks it, if anything of it changed."""
    home, timeout = _server_to_ask(site), site.cluster.limits.rollout
    again = AnswersAfterChange(
        ots, site.cluster.inside(home), timeout, after=(_APPLIED, _RUNS, _OPEN)
    )
    needs = [*_home_of_images(site), home.name]
    return Stage("OpenTAKServer answers", {home.name: [again]}, needs=needs)


def asked(site: Site, ots: OpenTakServer) -> Stage:
    """Return the stage that asks it, whatever changes."""
    home = _server_to_ask(site)
    answer = Answers(ots, site.cluster.inside(home), site.cluster.limits.rollout)
    return Stage("OpenTAKServer answers", {home.name: [answer]})


def _manifests(site: Site, ots: OpenTakServer) -> Manifests:
    own = built_in(site.cluster, site.here.cache)
    assert own is not None, "the file has an opentakserver section"  # noqa: S101
    prefix = next(iter(site.cluster.registry_endpoints))
    default = "longhorn" if site.cluster.longhorn is not None else None
    return Manifests(ots, own, endpoint(site), prefix, default)
