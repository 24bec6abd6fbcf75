"""The deploy phase: OpenTAKServer runs and answers, and the user's own applications run."""

from __future__ import annotations

from collections.abc import Iterator

from picluster.apps.image_lists import APPS
from picluster.apps.opentakserver import credentials
from picluster.apps.opentakserver.administrator import AdministratorPassword
from picluster.apps.opentakserver.built_in import built_in
from picluster.apps.opentakserver.manifests import (
    BROKER,
    DATABASE,
    PART,
    SERVER,
    door_service,
    identities,
)
from picluster.apps.opentakserver.reachable import Answers, AnswersAfterChange
from picluster.apps.opentakserver.source import Door, Manifests
from picluster.apps.user_apps import AppSource, AppWorkloads
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.kube.superseded import MayGo
from picluster.kube.workload import Workload
from picluster.model import Node
from picluster.model.apps import TAKEN
from picluster.model.opentakserver import OpenTakServer
from picluster.phases.registry import endpoint
from picluster.site import Site
from picluster.steps.manifests.applied import ObjectsApplied, PartsGone
from picluster.steps.manifests.component import Part
from picluster.steps.manifests.objects import identity
from picluster.steps.manifests.repair import MadeAnew
from picluster.steps.manifests.rollout import RolledOut, These
from picluster.steps.manifests.secrets import SecretKept, Wanted
from picluster.steps.saved_images import read_saved

_NAME = "deploy"
_APPLIED = "opentakserver-objects"
_RUNS = "opentakserver-runs"
_OPEN = "opentakserver-doors"


def deploy(site: Site) -> Phase:
    """Build the phase; for a cluster without applications there is nothing in it."""
    return Phase(
        _NAME,
        _title(site),
        (*_opentakserver(site, MayGo.IDLE), *_answers(site), *_apps(site, MayGo.NOBODY)),
    )


def inspection(site: Site) -> Phase:
    """Build the phase that `validate` judges by: OpenTAKServer is asked, whatever changes."""
    ots, home = site.cluster.opentakserver, _server_to_ask(site)
    stages = [*_opentakserver(site, MayGo.NOBODY), *_apps(site, MayGo.NOBODY)]
    if ots is not None:
        asked = Answers(ots, site.cluster.inside(home), site.cluster.limits.rollout)
        stages.append(Stage("OpenTAKServer answers", {home.name: [asked]}))
    return Phase(_NAME, _title(site), tuple(stages))


def repair(site: Site) -> Phase:
    """Build the phase that makes anew what is broken, before it does what `deploy` does."""
    broken = Stage("what is broken is made anew", {CLUSTER: list(_broken_apps(site))})
    return Phase(
        _NAME,
        _title(site),
        (
            *_broken_opentakserver(site),
            broken,
            *_opentakserver(site, MayGo.ANYBODY),
            *_answers(site),
            *_apps(site, MayGo.ANYBODY),
        ),
    )


def _title(site: Site) -> str:
    names = ["OpenTAKServer"] if site.cluster.opentakserver else []
    names += [app.name for app in site.cluster.apps]
    return f"{' and '.join(names)} run{'s' if len(names) == 1 else ''}" if names else "no apps"


# ------------------------------------------------------------------ OpenTAKServer


def workloads(ots: OpenTakServer) -> tuple[Workload, ...]:
    """Return what has to run of it: database and broker first."""
    return (
        Workload("StatefulSet", ots.namespace, DATABASE),
        Workload("StatefulSet", ots.namespace, BROKER),
        Workload("Deployment", ots.namespace, SERVER),
    )


def _opentakserver(site: Site, may_go: MayGo) -> Iterator[Stage]:
    ots = site.cluster.opentakserver
    if ots is None:
        return
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
    yield Stage("OpenTAKServer runs", {CLUSTER: steps}, needs=_home_of_images(site))


def _broken_opentakserver(site: Site) -> Iterator[Stage]:
    ots = site.cluster.opentakserver
    if ots is None:
        return
    title = f"nothing of {PART} is stuck"
    step = MadeAnew("broken", title, These(workloads(ots)), _manifests(site, ots))
    yield Stage(
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


def _answers(site: Site) -> Iterator[Stage]:
    ots, home = site.cluster.opentakserver, _server_to_ask(site)
    if ots is not None:
        timeout = site.cluster.limits.rollout
        again = AnswersAfterChange(
            ots, site.cluster.inside(home), timeout, after=(_APPLIED, _RUNS, _OPEN)
        )
        needs = [*_home_of_images(site), home.name]
        yield Stage("OpenTAKServer answers", {home.name: [again]}, needs=needs)


def _manifests(site: Site, ots: OpenTakServer) -> Manifests:
    own = built_in(site.cluster, site.here.cache)
    assert own is not None, "the file has an opentakserver section"  # noqa: S101
    prefix = next(iter(site.cluster.registry_endpoints))
    default = "longhorn" if site.cluster.longhorn is not None else None
    return Manifests(ots, own, endpoint(site), prefix, default)


# ------------------------------------------------------------------ the user's own


def _apps(site: Site, may_go: MayGo) -> Iterator[Stage]:
    steps = [step for source in _sources(site) for step in _app(site, source, may_go)]
    known = {app.name for app in site.cluster.apps}
    # OpenTAKServer goes with its section; what would take every volume with it never does.
    own = {each for each in TAKEN if each != PART or site.cluster.opentakserver}
    title = "only the apps of the file are in the cluster"
    gone = PartsGone("apps-gone", title, frozenset(known | own))
    yield Stage("your applications run", {CLUSTER: [*steps, gone]})


def _app(site: Site, source: AppSource, may_go: MayGo) -> Iterator[Step]:
    app, force = source.app, site.consents.force_conflicts
    yield ObjectsApplied(
        f"app-{app.name}",
        f"the objects of {app.name} are as its manifests say",
        Part(app.name, source, app.namespace or "", force=force, warning=source.warning),
    )
    yield RolledOut(
        f"app-{app.name}-runs",
        f"{app.name} runs",
        AppWorkloads(source),
        site.cluster.limits.rollout,
        after=(f"app-{app.name}",),
        may_go=may_go,
    )


def _broken_apps(site: Site) -> Iterator[Step]:
    for source in _sources(site):
        name, title = f"broken-{source.app.name}", f"nothing of {source.app.name} is stuck"
        yield MadeAnew(name, title, AppWorkloads(source), source)


def _sources(site: Site) -> list[AppSource]:
    saved = read_saved(site.cluster.k3s.airgap_dir)
    directory = saved.directory if saved else site.here.cache
    return [AppSource(app, directory / APPS, kept=saved is not None) for app in site.cluster.apps]
