"""Every phase there is, of a cluster that has everything: of `up`, of operations and of queries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.sites import site_on

from picluster.engine.phase import Phase
from picluster.engine.step import Step
from picluster.model import Cluster, parse
from picluster.operations import membership, registry, reset, restart, snapshot, upgrade
from picluster.phases.catalog import PHASES
from picluster.phases.deploy import inspection, repair
from picluster.phases.preflight import preflight
from picluster.queries import doctor, status, support
from picluster.steps.k3s.bundle import Bundle, Origin

PASSWORD = "correct-horse-9"

EVERYTHING = parse(
    """\
name: all
ssh: {user: pi, password: env:PICLUSTER_TEST_PASSWORD}
bootstrap: {disable_password_login: true}
nodes:
  - {name: pi1, address: 10.0.0.1, role: server}
  - {name: pi2, address: 10.0.0.2, role: server}
  - {name: pi3, address: 10.0.0.3, role: server}
  - name: pi4
    address: 10.0.0.4
    role: agent
    labels: {disk: ssd}
    taints: ["a=b:PreferNoSchedule"]
    disks: [{device: /dev/disk/by-id/x, minimum_size: 1G}]
k3s: {vip: {address: 10.0.0.100}}
registry: {node: pi4, tls: true, username: pi, password: env:PICLUSTER_TEST_PASSWORD}
longhorn: {}
images: {build: [{name: map, tag: "1", git: "https://example.org/map.git", ref: main}]}
opentakserver: {}
rancher: {hostname: rancher.example.org}
apps: [{name: app, url: "https://example.org/app.yaml"}]
prepare: {timezone: Etc/UTC, locale: en_GB.UTF-8, extra_modules: [i2c-dev]}
"""
).cluster

ONE = parse(
    """\
name: one
ssh: {user: pi}
nodes: [{name: pi1, address: 10.0.0.1, role: server}]
"""
).cluster

SOME = parse(
    """\
name: some
ssh: {user: pi, password: env:PICLUSTER_TEST_PASSWORD, sudo_password: env:PICLUSTER_TEST_PASSWORD}
bootstrap: {passwordless_sudo: false}
nodes:
  - {name: pi1, address: 10.0.0.1, role: server}
  - {name: pi2, address: 10.0.0.2, role: agent}
k3s: {token: env:PICLUSTER_TEST_PASSWORD}
registry: {node: pi1}
longhorn: {ui_port: 30080, replicas: 1}
apps: [{name: app, url: "https://example.org/app.yaml"}]
limits: {max_unavailable: 2}
"""
).cluster

BUNDLE = Bundle(
    Path("/nonexistent/snapshot"),
    "snapshot",
    Origin("all", "pi1", "on-demand", "v1.33.4+k3s1", 1.0, "0" * 64),
    1,
)


def phases(here: Path, cluster: Cluster = EVERYTHING) -> Iterator[Phase]:
    """Yield them; what they keep on this computer is below `here`."""
    site = site_on(ShellNodes(here / "nodes"), cluster, here, password=PASSWORD)
    yield preflight(cluster)
    yield inspection(site)
    for make in PHASES.values():
        yield make(site)
    for build in (
        restart.restart,
        upgrade.upgrade,
        reset.reset(data=True),
        reset.reset(data=False),
        membership.replace("pi4"),
        membership.remove("pi2", data=True),
        membership.remove("pi4", data=False),
        registry.collection(untagged=False),
        snapshot.save("saved"),
        snapshot.pull("pulled"),
        snapshot.restore(BUNDLE),
        status._phases,
        support._phases,
        doctor._look,
    ):
        yield from build(site, frozenset())


def phases_of_all_nodes(here: Path, cluster: Cluster) -> Iterator[Phase]:
    """Yield what `up` and the operations on all nodes are made of."""
    site = site_on(ShellNodes(here / "nodes"), cluster, here)
    yield preflight(cluster)
    yield inspection(site)
    yield repair(site)
    for make in PHASES.values():
        yield make(site)
    for build in (restart.restart, upgrade.upgrade, reset.reset(data=False)):
        yield from build(site, frozenset())


def steps(here: Path) -> list[tuple[str, Step]]:
    """Return every step of every phase, with its target."""
    return [
        (target, step)
        for phase in phases(here)
        for stage in phase.stages
        for target, steps in stage.steps.items()
        for step in steps
    ]
