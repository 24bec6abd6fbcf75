"""The deploy phase: OpenTAKServer runs and answers, and the user's own applications run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from picluster.apps.built_in import PLAIN_DATABASE, BuiltIn, built_in
from picluster.apps.opentakserver import credentials
from picluster.apps.opentakserver.administrator import AdministratorPassword
from picluster.apps.opentakserver.manifests import (
    BROKER,
    DATABASE,
    PART,
    SERVER,
    Images,
    door_service,
    identities,
    objects,
)
from picluster.apps.opentakserver.reachable import Answers, AnswersAfterChange
from picluster.apps.user_apps import AppSource
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.errors import PiclusterError
from picluster.kube.api import Object
from picluster.kube.rollout import Workload
from picluster.kube.superseded import MayGo, anybody, idle, nobody
from picluster.model import Node
from picluster.model.apps import TAKEN
from picluster.model.images import BuiltImage
from picluster.model.opentakserver import OpenTakServer
from picluster.phases.registry import endpoint
from picluster.phases.site import Site
from picluster.steps.manifests.applied import ObjectsApplied, PartsGone, Unsettled
from picluster.steps.manifests.objects import identity
from picluster.steps.manifests.repair import MadeAnew
from picluster.steps.manifests.rollout import RolledOut
from picluster.steps.manifests.secrets import SecretKept
from picluster.steps.registry.api import reach

_NAME = "deploy"
_APPLIED = "opentakserver-objects"
_RUNS = "opentakserver-runs"
_OPEN = "opentakserver-doors"


def deploy(site: Site) -> Phase:
    """Build the phase; for a cluster without applications there is nothing in it."""
    return Phase(
        _NAME, _title(site), (*_opentakserver(site, idle), *_answers(site), *_apps(site, nobody))
    )


def inspection(site: Site) -> Phase:
    """Build the phase that `validate` judges by: OpenTAKServer is asked, whatever changes."""
    ots, home = site.cluster.opentakserver, _server_to_ask(site)
    stages = [*_opentakserver(site, nobody), *_apps(site, nobody)]
    if ots is not None:
        asked = Answers(ots, home.address, site.cluster.limits.rollout)
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
            *_opentakserver(site, anybody),
            *_answers(site),
            *_apps(site, anybody),
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
    manifests, limits = Manifests(site, ots), site.cluster.limits
    steps: list[Step] = [
        SecretKept(
            name="opentakserver-secrets",
            secret=credentials.NAME,
            namespace=ots.namespace,
            part=PART,
            keys=credentials.KEYS,
            generate=credentials.generate,
            api=site.api,
            claims=(f"data-{DATABASE}-0",),
        ),
        ObjectsApplied(
            name=_APPLIED,
            title=f"the objects of OpenTAKServer {ots.version} are as they should be",
            part=PART,
            source=manifests,
            api=site.api,
            force=site.consents.force_conflicts,
            beside=(identity(door_service(ots)),),
        ),
        RolledOut(
            name=_RUNS,
            title="OpenTAKServer, its database and its broker run",
            workloads=lambda: workloads(ots),
            api=site.api,
            timeout=limits.rollout,
            after=(_APPLIED,),
            may_go=may_go,
        ),
        AdministratorPassword(
            ots,
            lambda: manifests.images().server,
            site.api,
            partial(site.disclose, f"OpenTAKServer's {credentials.ADMINISTRATOR}"),
            limits.rollout,
        ),
        # Last: until now, everybody knows the administrator's password.
        ObjectsApplied(
            name=_OPEN,
            title="OpenTAKServer can be reached from outside",
            part=PART,
            source=lambda: [door_service(ots)],
            api=site.api,
            force=site.consents.force_conflicts,
            beside=identities(ots),
        ),
    ]
    yield Stage("OpenTAKServer runs", {CLUSTER: steps}, needs=_home_of_images(site))


def _broken_opentakserver(site: Site) -> Iterator[Stage]:
    ots = site.cluster.opentakserver
    if ots is None:
        return
    source, title = Manifests(site, ots), f"nothing of {PART} is stuck"
    step = MadeAnew("broken", title, lambda: workloads(ots), source, site.api)
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
        again = AnswersAfterChange(ots, home.address, timeout, after=(_APPLIED, _RUNS, _OPEN))
        needs = [*_home_of_images(site), home.name]
        yield Stage("OpenTAKServer answers", {home.name: [again]}, needs=needs)


class Manifests:
    """OpenTAKServer's manifests, which name images by what the registry has at the moment."""

    def __init__(self, site: Site, ots: OpenTakServer) -> None:
        self._site, self._ots = site, ots

    def __call__(self) -> list[Object]:
        """Return them. Raises `Unsettled` while the registry does not have the images."""
        longhorn = self._site.cluster.longhorn
        default = "longhorn" if longhorn is not None else None
        return objects(self._ots, self.images(), self._ots.storage_class or default)

    def images(self) -> Images:
        """Return the images with their digests. Raises `Unsettled`."""
        own = built_in(self._site.cluster, self._site.cache)
        if own is None:
            raise ValueError("the cluster is without OpenTAKServer")
        built = [own.server, own.ui, *([own.database] if own.database else [])]
        found = self._digests(built)
        return Images(
            server=found[own.server.reference],
            ui=found[own.ui.reference],
            database=self._database(own, found),
            broker=self._ots.broker_image,
        )

    def _database(self, own: BuiltIn, found: dict[str, str]) -> str:
        if own.database is not None:
            return found[own.database.reference]
        return self._ots.database_image or PLAIN_DATABASE

    def _digests(self, images: list[BuiltImage]) -> dict[str, str]:
        prefix = next(iter(self._site.cluster.registry_endpoints))
        try:
            with reach(endpoint(self._site), self._site.sessions) as registry:
                digests = {each.reference: registry.digest(each.name, each.tag) for each in images}
        except PiclusterError as error:
            if error.exit_code != PiclusterError.exit_code:
                raise
            raise Unsettled(
                "the registry does not answer", why=error.what, fix="picluster phase registry"
            ) from error
        missing = [each.reference for each in images if not digests[each.reference]]
        if missing:
            raise Unsettled(
                f"the registry does not have {', '.join(missing)}",
                why=f"{', '.join(missing)} was not built yet",
                fix="picluster phase build",
            )
        return {
            each.reference: f"{prefix}/{each.name}@{digests[each.reference]}" for each in images
        }


# ------------------------------------------------------------------ the user's own


def _apps(site: Site, may_go: MayGo) -> Iterator[Stage]:
    steps = [step for source in _sources(site) for step in _app(site, source, may_go)]
    known = tuple(app.name for app in site.cluster.apps)
    # OpenTAKServer goes with its section; what would take every volume with it never does.
    own = tuple(each for each in TAKEN if each != PART or site.cluster.opentakserver)
    gone = PartsGone(
        "apps-gone", "only the apps of the file are in the cluster", known, own, site.api
    )
    yield Stage("your applications run", {CLUSTER: [*steps, gone]})


def _app(site: Site, source: AppSource, may_go: MayGo) -> Iterator[Step]:
    app = source.app
    yield ObjectsApplied(
        name=f"app-{app.name}",
        title=f"the objects of {app.name} are as its manifests say",
        part=app.name,
        source=source,
        api=site.api,
        namespace=app.namespace or "",
        force=site.consents.force_conflicts,
    )
    yield RolledOut(
        name=f"app-{app.name}-runs",
        title=f"{app.name} runs",
        workloads=source.workloads,
        api=site.api,
        timeout=site.cluster.limits.rollout,
        after=(f"app-{app.name}",),
        may_go=may_go,
    )


def _broken_apps(site: Site) -> Iterator[Step]:
    for source in _sources(site):
        name, title = f"broken-{source.app.name}", f"nothing of {source.app.name} is stuck"
        yield MadeAnew(name, title, source.workloads, source, site.api)


def _sources(site: Site) -> list[AppSource]:
    return [AppSource(app, site.cache / "apps") for app in site.cluster.apps]
