"""The deploy phase: OpenTAKServer runs and answers, and the user's own applications run."""

from __future__ import annotations

from collections.abc import Iterator

from picluster.apps.user_apps import APPS, AppSource, AppWorkloads
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.kube.superseded import MayGo
from picluster.model.apps import OPENTAKSERVER, TAKEN
from picluster.site import Site
from picluster.steps.manifests.applied import ObjectsApplied, PartsGone
from picluster.steps.manifests.component import Part
from picluster.steps.saved_images import read_saved

_NAME = "deploy"


def deploy(site: Site) -> Phase:
    """Build the phase; for a cluster without applications there is nothing in it."""
    ots, stages = site.cluster.opentakserver, []
    if ots is not None:
        from picluster.phases import opentakserver  # noqa: PLC0415 - few clusters have it

        stages = [opentakserver.runs(site, ots, MayGo.IDLE), opentakserver.answers(site, ots)]
    return Phase(_NAME, _title(site), (*stages, *_apps(site, MayGo.NOBODY)))


def inspection(site: Site) -> Phase:
    """Build the phase that `validate` judges by: OpenTAKServer is asked, whatever changes."""
    ots, stages = site.cluster.opentakserver, list(_apps(site, MayGo.NOBODY))
    if ots is not None:
        from picluster.phases import opentakserver  # noqa: PLC0415 - as above

        runs = opentakserver.runs(site, ots, MayGo.NOBODY)
        stages = [runs, *stages, opentakserver.asked(site, ots)]
    return Phase(_NAME, _title(site), tuple(stages))


def repair(site: Site) -> Phase:
    """Build the phase that makes anew what is broken, before it does what `deploy` does."""
    ots = site.cluster.opentakserver
    stages = [Stage("what is broken is made anew", {CLUSTER: list(_broken_apps(site))})]
    if ots is not None:
        from picluster.phases import opentakserver  # noqa: PLC0415 - as above

        runs = opentakserver.runs(site, ots, MayGo.ANYBODY)
        answers = opentakserver.answers(site, ots)
        stages = [opentakserver.repaired(site, ots), *stages, runs, answers]
    return Phase(_NAME, _title(site), (*stages, *_apps(site, MayGo.ANYBODY)))


def _title(site: Site) -> str:
    names = ["OpenTAKServer"] if site.cluster.opentakserver else []
    names += [app.name for app in site.cluster.apps]
    return f"{' and '.join(names)} run{'s' if len(names) == 1 else ''}" if names else "no apps"


def _apps(site: Site, may_go: MayGo) -> Iterator[Stage]:
    steps = [step for source in _sources(site) for step in _app(site, source, may_go)]
    known = {app.name for app in site.cluster.apps}
    # OpenTAKServer goes with its section; what would take every volume with it never does.
    own = {each for each in TAKEN if each != OPENTAKSERVER or site.cluster.opentakserver}
    title = "only the apps of the file are in the cluster"
    gone = PartsGone("apps-gone", title, frozenset(known | own))
    yield Stage("your applications run", {CLUSTER: [*steps, gone]})


def _app(site: Site, source: AppSource, may_go: MayGo) -> Iterator[Step]:
    from picluster.steps.manifests.rollout import RolledOut  # noqa: PLC0415 - where there are apps

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
    from picluster.steps.manifests.repair import MadeAnew  # noqa: PLC0415 - only `deploy --fix`

    for source in _sources(site):
        name, title = f"broken-{source.app.name}", f"nothing of {source.app.name} is stuck"
        yield MadeAnew(name, title, AppWorkloads(source), source)


def _sources(site: Site) -> list[AppSource]:
    saved = read_saved(site.cluster.k3s.airgap_dir)
    directory = saved.directory if saved else site.here.cache
    return [AppSource(app, directory / APPS, kept=saved is not None) for app in site.cluster.apps]
