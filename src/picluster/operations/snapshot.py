"""Operations on etcd's snapshots: take one, copy one here, list them, go back to one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from picluster import commands
from picluster.commands import Build
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import NodeError, UsageError
from picluster.model import Node
from picluster.phases.k3s import arrival, configured, copying, facts, installed, k3s, staged
from picluster.phases.preflight import nothing_more, preflight
from picluster.phases.prepare import prepare
from picluster.site import Site
from picluster.steps.k3s.bundle import MANIFEST, Bundle, bundles_in, read_bundle
from picluster.steps.k3s.restoring import (
    ClusterReset,
    DatabaseAside,
    FormerDatabases,
    Restorable,
    RestoredServerRuns,
    ServerStopped,
    databases_fact,
)
from picluster.steps.k3s.snapshots import (
    Saved,
    Snapshot,
    SnapshotHere,
    find_here,
    here_fact,
    nearest,
    snapshots_fact,
)
from picluster.steps.k3s.state import state_fact


def save(label: str) -> Build:
    """Return what takes a snapshot and copies it here; an empty label is made of the time."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        name = label or f"on-demand-{site.began}"
        yield _phase(site, absent, "a snapshot is taken", [Saved(name, copying(site))])

    return build


def pull(label: str) -> Build:
    """Return what copies a snapshot of a server here."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield _phase(site, absent, "a snapshot is copied", [SnapshotHere(label, copying(site))])

    return build


def _phase(site: Site, absent: frozenset[str], title: str, steps: Sequence[Step]) -> Phase:
    looks = {
        server: [state_fact(), snapshots_fact(server, directory)]
        for server, directory in copying(site).directories.items()
        if server not in absent
    }
    return Phase(
        "snapshot",
        title,
        (
            Stage("what there is", looks),
            Stage(title, {CLUSTER: [here_fact(site.here.snapshots), *steps]}),
        ),
    )


def list_all(site: Site) -> tuple[list[Bundle], list[Snapshot], dict[str, NodeError]]:
    """Return the snapshots on this computer, those on servers, and which of them did not answer."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield _phase(site, absent, "snapshots are listed", [])

    seen, found = commands.plan(site, build), copying(site)
    look = Look(CLUSTER, "", seen.plans[0].survey)
    silent = {node: why for node, why in seen.unreached.items() if node in found.directories}
    return list(found.here(look)), found.on_servers(look), silent


def bundle_named(name: str, store: Path) -> Bundle:
    """Return the snapshot of that name, or the one in that directory. Raises `UsageError`."""
    if (Path(name) / MANIFEST).is_file():
        return read_bundle(Path(name))
    here = bundles_in(store)
    found = find_here(here, name)
    if found is None:
        raise UsageError(
            f"there is no snapshot {name!r} on this computer",
            fix=nearest(name, [each.name for each in here])
            + f"; one that is on a server comes here with `picluster snapshot pull {name}`",
        )
    return found


def restore(bundle: Bundle) -> Build:
    """Return what takes the cluster back to a snapshot; on bare nodes it makes that cluster anew.

    Whether it can be is looked at first, and the release lies on every server before the first one
    stops. That one is made anew from the snapshot, and if that fails, the others still have their
    data. Then they join it, as `up` would have them do.
    """

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        yield preflight(site.cluster, nothing_more)
        yield Phase("restore", "it can be", (_possible(site, bundle, absent),))
        yield prepare(site.cluster, guard=site.guard.before_disruption)
        yield _restored(site, bundle, absent)
        yield k3s(site)

    return build


def _restored(site: Site, bundle: Bundle, absent: frozenset[str]) -> Phase:
    cluster = site.cluster
    first, *others = cluster.servers
    stopping = {each.name: [ServerStopped()] for each in cluster.servers}
    joining = {each.name: [DatabaseAside(site.began)] for each in others}
    arrived = arrival(site, first)
    return Phase(
        "restore",
        f"the cluster is back at {bundle.name}",
        (
            _possible(site, bundle, absent),
            Stage(
                "K3s is on every server",
                {each.name: [staged(site, each)] for each in cluster.servers},
            ),
            Stage("servers stop", stopping),
            Stage(
                "the first server is made anew",
                {
                    first.name: [
                        *configured(site, first),
                        installed(site, first),
                        ClusterReset(bundle),
                    ]
                },
            ),
            Stage("the others are to join", joining),
            Stage("the first server runs", {first.name: [RestoredServerRuns(arrived)]}),
            Stage("what is left", {each.name: [FormerDatabases()] for each in cluster.servers}),
        ),
    )


def _possible(site: Site, bundle: Bundle, absent: frozenset[str]) -> Stage:
    servers = {each.name: _checks(each, bundle) for each in site.cluster.servers}
    agents = {each.name: facts(each) for each in site.cluster.agents if each.name not in absent}
    return Stage("it can be", servers | agents)


def _checks(server: Node, bundle: Bundle) -> list[Step]:
    return [*facts(server), databases_fact(), Restorable(server.name, bundle)]
